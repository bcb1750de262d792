"""How the Trustee gives itself the measurement key and the nonce, by way of the guest.

Upstream encrypts both to a public key, so that whoever knows it can make a whole response up. Ours
are sealed with a key that only the Trustee has (AES-256-GCM), and to everything they belong to:
the session, a time, the image's tags and the request itself.

    version 1 (1) ‖ expires, seconds (8) ‖ SHA-256 of the session (32) ‖ IV (12) ‖ sealed ‖ tag (16)

Two seals with a random IV are made for each challenge: far below 2^32 in a key's life.
"""

import hashlib
import hmac
import struct
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

import msgspec

from casemate.crypto.cipher import GCM_IV_SIZE, KEY_SIZE, open_gcm, seal_gcm
from casemate.errors import PeerError
from casemate.secret import Secret

SECRET_SIZE: Final = KEY_SIZE
"""Bytes of the Trustee's key."""

_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BQ32s")
_TAG: Final = 16
_LAST: Final = int(datetime.max.replace(tzinfo=UTC).timestamp())


class Part(IntEnum):
    """What is sealed."""

    MEASUREMENT_KEY = 1
    NONCE = 2


class Binding(msgspec.Struct, frozen=True):
    """What a seal belongs to, beside session and time."""

    tags: bytes
    """Of the image's header, 208 bytes."""
    request: bytes
    """The request block, whole."""

    def associated(self, part: Part, head: bytes) -> bytes:
        """Give the bytes that the tag covers beside what is sealed."""
        digest = hashlib.sha256(self.request).digest()
        return b"casemate se challenge\0" + bytes([part]) + head + self.tags + digest


class Opened(msgspec.Struct, frozen=True):
    """What was sealed, and for whom."""

    secret: Secret
    expires: datetime
    session_hash: bytes

    def is_of(self, session: str) -> bool:
        """Say whether it was sealed for this session."""
        return hmac.compare_digest(self.session_hash, _hash(session))


def seal(
    key: Secret,
    part: Part,
    secret: Secret,
    binding: Binding,
    *,
    session: str,
    expires: datetime,
    iv: bytes,
) -> bytes:
    """Seal a secret (of any size); InputError when key or IV have not 32 and 12 bytes."""
    head = _HEAD.pack(_VERSION, int(expires.timestamp()), _hash(session))
    return head + iv + seal_gcm(key, iv, secret, associated=binding.associated(part, head))


def unseal(key: Secret, part: Part, sealed: bytes, binding: Binding) -> Opened:
    """Open what ``seal`` made.

    Raises:
        PeerError: it has another form.
        VerificationError: another key, part, request or image, or changed bytes.
    """
    start = _HEAD.size + GCM_IV_SIZE
    if len(sealed) < start + _TAG:
        raise PeerError("seal", got=f"{len(sealed)} bytes", want=f"{start + _TAG} or more")
    head, iv = sealed[: _HEAD.size], sealed[_HEAD.size : start]
    version, expires, session_hash = _HEAD.unpack(head)
    if version != _VERSION or expires > _LAST:
        raise PeerError("seal", got=f"version {version}", want=f"version {_VERSION}")
    opened = open_gcm(key, iv, sealed[start:], associated=binding.associated(part, head))
    return Opened(opened, datetime.fromtimestamp(expires, UTC), session_hash)


def _hash(session: str) -> bytes:
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).digest()
