"""The measurement: HMAC-SHA-512 over what was started, where, and what it was told (tee §12)."""

import hmac
import struct
from typing import Final

from casemate.secret import Secret
from casemate.tee.se.image_header import ImageTags

SIZE: Final = 64
_SIZES: Final = struct.Struct(">HHI")


def measure(
    key: Secret,
    tags: ImageTags,
    cuid: bytes,
    *,
    user: bytes = b"",
    nonce: bytes = b"",
    additional: bytes = b"",
) -> bytes:
    """Give the 64 bytes that the Ultravisor answers a request with.

    Args:
        key: of the request, 64 bytes.
        tags: of the header of the image that runs.
        cuid: configuration unique id of the VM, 16 bytes.
        user: what the guest handed in, at most 256 bytes.
        nonce: of the request, 16 bytes or none.
        additional: what the request's flags ask for.
    """
    mac = hmac.new(key.reveal(), digestmod="sha512")
    for part in (
        tags.encode(),
        cuid,
        _SIZES.pack(len(user), 0, len(additional)),
        user,
        nonce,
        additional,
    ):
        mac.update(part)
    return mac.digest()
