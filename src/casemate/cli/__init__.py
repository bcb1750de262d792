"""The command line: noun verb, one file for each noun, each room loaded only when needed."""
