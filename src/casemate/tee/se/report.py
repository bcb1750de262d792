"""The two messages of Secure Execution: the request that is the challenge, and its response.

JSON on the wire, every byte string base64 (tee §12). A kept pair of both can be verified later.
"""

from typing import Any, Final

import msgspec

from casemate.errors import MALFORMED_JSON, PeerError
from casemate.tee.se.image_header import TAGS_SIZE

TEE: Final = "se"
USER_DATA_SIZE: Final = 64
CUID_SIZE: Final = 16
HASH_SIZE: Final = 32
ADDITIONAL_SIZE: Final = 2 * HASH_SIZE
VERSION: Final = 0x100
"""Version of attestation, as claimed."""
LARGEST_SEALED: Final = 1024
"""Bytes of an ``encr_*`` member."""


class SeRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The challenge. The guest adds ``runtime_data_digest`` for its own device, nobody else."""

    request_blob: bytes
    measurement_size: int
    additional_size: int
    encr_measurement_key: bytes
    encr_request_nonce: bytes
    image_hdr_tags: bytes
    runtime_data_digest: bytes | None = None


class SeResponse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The evidence."""

    measurement: bytes
    additional_data: bytes
    user_data: bytes
    cuid: bytes
    encr_measurement_key: bytes
    encr_request_nonce: bytes
    image_hdr_tags: bytes

    @property
    def image_key_hash(self) -> bytes:
        """SHA-256 (32 bytes) of the host key that the image was built for."""
        return self.additional_data[:HASH_SIZE]

    @property
    def attestation_key_hash(self) -> bytes:
        """SHA-256 (32 bytes) of the host key that opened the request."""
        return self.additional_data[HASH_SIZE:]


RESPONSE_SIZES: Final = {
    "measurement": 64,
    "additional_data": ADDITIONAL_SIZE,
    "user_data": USER_DATA_SIZE,
    "cuid": CUID_SIZE,
    "image_hdr_tags": TAGS_SIZE,
}
"""Bytes of each member that has one size."""


class SePair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Challenge and evidence, kept together in a file: what ``casemate evidence verify`` reads."""

    request: SeRequest
    response: SeResponse
    session: str | None = None
    """Session that the challenge was made for; without it, the session is not looked at."""


class _Shape(msgspec.Struct, frozen=True):
    request: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def is_pair(raw: bytes) -> bool:
    """Say whether this is a kept pair rather than a response alone."""
    try:
        return msgspec.json.decode(raw, type=_Shape).request is not msgspec.UNSET
    except MALFORMED_JSON:
        return False


def require_sizes(response: SeResponse) -> None:
    """Refuse members of another size.

    Raises:
        PeerError: naming the first.
    """
    for name, size in RESPONSE_SIZES.items():
        got: Any = len(getattr(response, name))
        if got != size:
            raise PeerError(name, got=f"{got} bytes", want=f"{size} bytes", spec="tee §12")
    for name in ("encr_measurement_key", "encr_request_nonce"):
        got = len(getattr(response, name))
        if not 1 <= got <= LARGEST_SEALED:
            raise PeerError(name, got=f"{got} bytes", want=f"1 to {LARGEST_SEALED}", spec="tee §12")
