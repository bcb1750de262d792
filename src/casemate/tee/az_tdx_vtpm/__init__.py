"""TDX below Azure's paravisor: a TPM quote, whose key Intel's quote vouches for (tee §7)."""
