"""A bare TPM 2.0 as the TEE: what a local machine can prove about its boot, and no more."""
