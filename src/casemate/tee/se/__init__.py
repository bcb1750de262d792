"""IBM Z Secure Execution: the challenge that the verifier makes, and the measurement it answers."""
