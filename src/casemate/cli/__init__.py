"""The command line: noun verb, one file for each noun; a room is loaded only when its command runs."""
