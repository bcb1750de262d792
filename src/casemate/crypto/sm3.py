"""SM3, the Chinese hash (GB/T 32905): digests of 32 bytes, and HMAC with it."""

from typing import Final

from cryptography.hazmat.primitives import hashes, hmac

SIZE: Final = 32
"""Bytes of a digest."""


def sm3(data: bytes) -> bytes:
    """Hash ``data``: 32 bytes."""
    state = hashes.Hash(hashes.SM3())
    state.update(data)
    return state.finalize()


def hmac_sm3(key: bytes, message: bytes) -> bytes:
    """Authenticate ``message`` with HMAC-SM3 (RFC 2104 over SM3): 32 bytes."""
    state = hmac.HMAC(key, hashes.SM3())
    state.update(message)
    return state.finalize()
