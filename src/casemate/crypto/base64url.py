"""Base64 with the URL alphabet and no padding (RFC 4648 §5), as JOSE writes all bytes."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

from casemate.errors import InputError


def encode(data: bytes) -> str:
    """Write bytes as base64url text, unpadded."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str, *, where: str = "base64url text") -> bytes:
    """Read base64url text, strictly: URL alphabet, no padding, no stray bits.

    Raises:
        InputError: the text is not the one spelling of some bytes.
    """
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise InputError(where, got=text, want="base64url without padding") from error
    if encode(data) != text:
        raise InputError(where, got=text, want="canonical base64url without padding")
    return data
