"""One way to hash, sign, open and chain: the only importer of the cryptography library."""
