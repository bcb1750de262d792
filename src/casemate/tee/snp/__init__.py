"""AMD SEV-SNP: a report of the chip's security processor, signed by a key of the chip (tee §3)."""
