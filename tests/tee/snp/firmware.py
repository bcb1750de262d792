"""Firmware images that hold nothing but what a VMM reads of OVMF's."""

import struct
from collections.abc import Sequence
from uuid import UUID

from casemate.tee.firmware_table import FOOTER
from casemate.tee.snp.firmware import HASH_TABLE, METADATA, RESET_BLOCK

HASHES_AT = 0x80FC00
SECTIONS = (
    (0x800000, 0x3000, 0x1),
    (0x80D000, 0x1000, 0x2),
    (0x80E000, 0x1000, 0x3),
    (0x80F000, 0x1000, 0x10),
    (0x810000, 0x2000, 0x1),
    (0x812000, 0x1000, 0x4),
)


def entry(guid: UUID, data: bytes) -> bytes:
    return data + (len(data) + 18).to_bytes(2, "little") + guid.bytes_le


def image(  # every part of it can be wrong
    sections: Sequence[tuple[int, int, int]] = SECTIONS,
    *,
    hashes_at: int | None = HASHES_AT,
    reset: bytes | None = (0x80B004).to_bytes(4, "little"),
    header: bytes = struct.pack("<4sI", b"ASEV", 16 + 12 * 64),
    version: int = 1,
    count: int | None = None,
    distance: int | None = 0x500,
    pages: int = 4,
    others: bytes = b"",
) -> bytes:
    """Make an image of whole pages with its table at the end."""
    whole = bytearray(b"\xcc" * 4096 * pages)
    if distance is not None and 0 < distance <= len(whole):
        metadata = header + struct.pack("<II", version, len(sections) if count is None else count)
        metadata += b"".join(struct.pack("<III", *one) for one in sections)
        whole[len(whole) - distance : len(whole) - distance + len(metadata)] = metadata
    entries = others
    if hashes_at is not None:
        entries += entry(HASH_TABLE, hashes_at.to_bytes(4, "little") + bytes(4))
    if reset is not None:
        entries += entry(RESET_BLOCK, reset)
    if distance is not None:
        entries += entry(METADATA, distance.to_bytes(4, "little"))
    table = entries + (len(entries) + 18).to_bytes(2, "little") + FOOTER.bytes_le
    whole[-32 - len(table) : -32] = table
    return bytes(whole)
