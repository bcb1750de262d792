"""P-256 as quotes and Intel's documents write it: points x‖y, signatures r‖s, both big-endian."""

from typing import Final

from casemate.crypto.keys import PublicKey
from casemate.errors import InputError, VerificationError

_SPKI_HEAD: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200" + "04")
"""SubjectPublicKeyInfo of a P-256 key up to its point (RFC 5480 section 2)."""


def key_of_point(point: bytes) -> bytes:
    """Give SubjectPublicKeyInfo (DER) of x‖y, 64 bytes. Whether it is on the curve is not known."""
    return _SPKI_HEAD + point


def signed_by(spki: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a P-256 key signed the SHA-256 of ``message``; another kind of key did not."""
    try:
        PublicKey.from_der(spki).verify(signature, message, "ES256")
    except (InputError, VerificationError):
        return False
    return True
