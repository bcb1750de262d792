"""Evidence: one package per TEE with report, attester, verifier, launch measurement and fake."""
