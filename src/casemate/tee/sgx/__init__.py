"""Intel SGX: enclaves, by quotes of version 3."""
