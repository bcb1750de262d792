"""What an OVMF image asks a VMM to prepare for an SNP guest: its SEV metadata.

A header ``ASEV``, size, version 1, number of sections; then each section's address, size and type,
u32 little-endian each (edk2, OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm).
"""

import struct
from enum import IntEnum
from typing import Final, Self
from uuid import UUID

import msgspec

from casemate.errors import InputError
from casemate.tee import firmware_table

PAGE: Final = 4096
HASH_TABLE: Final = UUID("7255371f-3a3b-4b04-927b-1da6efa8d454")
"""Entry with the address at which the hashes of kernel, initrd and command line lie."""
RESET_BLOCK: Final = UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e")
"""Entry with the address at which all processors but the first begin."""
METADATA: Final = UUID("dc886566-984a-4798-a75e-5585a7bf67cc")
"""Entry with the metadata's distance from the image's end."""

_HEADER: Final = struct.Struct("<4sIII")
_SECTION: Final = struct.Struct("<III")
_MOST_SECTIONS: Final = 64
_LARGEST_SECTION: Final = 16 << 20
_END: Final = 1 << 32
"""Images end where 32-bit addresses do."""


class SectionKind(IntEnum):
    """What a range of memory is for."""

    ZEROS = 0x1
    """Memory of the early phase (SEC)."""
    SECRETS = 0x2
    CPUID = 0x3
    SVSM_CALLING_AREA = 0x4
    KERNEL_HASHES = 0x10


class Section(msgspec.Struct, frozen=True):
    """A range of memory; address and size are whole pages."""

    address: int
    size: int
    kind: SectionKind


class Firmware(msgspec.Struct, frozen=True):
    """An image, and what it asks for."""

    image: bytes
    sections: tuple[Section, ...]
    reset_address: int
    """Where all processors but the first begin."""
    hashes_address: int | None
    """Where the table of hashes lies; None when the image cannot measure a kernel."""

    @property
    def address(self) -> int:
        """Where the image begins in memory."""
        return _END - len(self.image)

    @classmethod
    def parse(cls, image: bytes) -> Self:
        """Read an OVMF image.

        Raises:
            InputError: it is none, is not made for SNP, or its metadata are broken.
        """
        table = firmware_table.parse(image)
        if len(image) % PAGE:
            raise InputError("firmware", got=f"{len(image)} bytes", want="whole pages")
        sections = _sections(image, firmware_table.number(table, METADATA, "SEV metadata"))
        hashes = int.from_bytes(table.get(HASH_TABLE, b"")[:4], "little")
        return cls(
            image=image,
            sections=sections,
            reset_address=firmware_table.number(table, RESET_BLOCK, "SEV-ES reset block"),
            hashes_address=hashes or None,
        )


def _sections(image: bytes, distance: int) -> tuple[Section, ...]:
    where = "SEV metadata"
    begin = len(image) - distance
    if not 0 <= begin <= len(image) - _HEADER.size:
        raise InputError(where, got=f"{distance} bytes before the end", want="within the image")
    signature, size, version, count = _HEADER.unpack_from(image, begin)
    if (signature, version) != (b"ASEV", 1):
        raise InputError(where, got=f"{signature!r} version {version}", want="ASEV version 1")
    whole = _HEADER.size + count * _SECTION.size
    if count > _MOST_SECTIONS or size < whole or begin + whole > len(image):
        raise InputError(where, got=f"{count} sections in {size} bytes", want="all of them inside")
    first = begin + _HEADER.size
    entries = _SECTION.iter_unpack(image[first : begin + whole])
    return tuple(_section(*entry) for entry in entries)


def _section(address: int, size: int, kind: int) -> Section:
    where = f"SEV metadata, section at {address:#x}"
    if address % PAGE or size % PAGE or size > _LARGEST_SECTION:
        raise InputError(where, got=f"{size:#x} bytes", want="whole pages, at most 16 MiB")
    try:
        return Section(address, size, SectionKind(kind))
    except ValueError as error:
        raise InputError(where, got=f"type {kind:#x}", want="a known type") from error
