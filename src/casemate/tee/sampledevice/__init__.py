"""The sample device: additional evidence without a proof, beside any primary TEE."""
