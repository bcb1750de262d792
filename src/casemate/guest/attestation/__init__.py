"""The attestation agent: evidence, tokens by the RCAR handshake, run-time measurements."""
