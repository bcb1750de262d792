"""Table of verifiers by TEE name."""
