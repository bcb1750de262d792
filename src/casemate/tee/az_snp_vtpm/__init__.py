"""SEV-SNP below Azure's paravisor: a TPM quote, whose key AMD's report vouches for (tee §7)."""
