"""Encrypted layers in ocicrypt's format: options, key packets, the stream (guest-components 16)."""
