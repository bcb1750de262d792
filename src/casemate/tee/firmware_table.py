"""OVMF's table of GUIDs at the end of its image: where a VMM learns how to launch a guest.

The table stands before the reset vector's 32 bytes and is read backwards: an entry is its data,
then its whole size (u16, little-endian), then its GUID (16 bytes, mixed-endian as UEFI writes
them). The last entry, the footer, has the size of the table. (edk2, OvmfPkg/ResetVector.)
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from casemate.errors import InputError

FOOTER: Final = UUID("96b582de-1fb2-45f7-baea-a366c55a082d")
LARGEST_FIRMWARE: Final = 64 << 20
"""Bytes of an image; OVMF has 2 to 4 MiB."""

_RESET_VECTOR: Final = 32
_HEAD: Final = 18
"""Size and GUID, bytes."""


def parse(image: bytes) -> Mapping[UUID, bytes]:
    """Read the table: GUID → data.

    Raises:
        InputError: the image has none, or it is broken.
    """
    where = "firmware"
    if len(image) > LARGEST_FIRMWARE:
        raise InputError(where, got=f"{len(image)} bytes", want=f"at most {LARGEST_FIRMWARE}")
    end = len(image) - _RESET_VECTOR
    size, guid = _head(image, end)
    if guid != FOOTER:
        raise InputError(
            where,
            got="no table of GUIDs",
            want="an OVMF image",
            remedy="name the file with the code, not the one with variables",
        )
    begin, end = end - size, end - _HEAD
    if begin < 0 or begin > end:
        raise InputError(where, got=f"a table of {size} bytes", want="one within the image")
    found: dict[UUID, bytes] = {}
    while end > begin:
        size, guid = _head(image, end)
        if size < _HEAD or end - size < begin:
            raise InputError(where, got=f"an entry of {size} bytes", want="one within the table")
        found.setdefault(guid, image[end - size : end - _HEAD])
        end -= size
    return MappingProxyType(found)


def number(table: Mapping[UUID, bytes], guid: UUID, what: str) -> int:
    """Give the u32 (little-endian) that an entry begins with.

    Raises:
        InputError: there is no such entry.
    """
    data = table.get(guid, b"")
    if len(data) < 4:
        raise InputError(f"firmware, {what}", got="no entry", want=str(guid))
    return int.from_bytes(data[:4], "little")


def _head(image: bytes, end: int) -> tuple[int, UUID]:
    head = image[max(end - _HEAD, 0) : max(end, 0)]
    if len(head) != _HEAD:
        return 0, UUID(int=0)
    return int.from_bytes(head[:2], "little"), UUID(bytes_le=head[2:])
