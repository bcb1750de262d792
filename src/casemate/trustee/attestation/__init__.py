"""The attestation service: evidence becomes a verdict, and a verdict a signed token."""
