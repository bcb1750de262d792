"""The sample device: what stands in for a GPU, beside any primary TEE. It proves nothing."""
