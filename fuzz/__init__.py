"""Coverage-guided fuzzing of every parser and verifier: `make fuzz`."""
