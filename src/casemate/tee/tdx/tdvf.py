"""What an OVMF image asks a VMM to prepare for a TD: its TDX metadata (TDVF design guide, 11.1).

A header ``TDVF``, size, version 1, number of sections; then each section's place in the image and
in memory, its type and attributes, little-endian.
"""

import struct
from collections.abc import Iterable
from enum import IntEnum
from itertools import pairwise
from typing import Final, Self
from uuid import UUID

import msgspec

from casemate.errors import InputError
from casemate.tee import firmware_table

PAGE: Final = 4096
METADATA: Final = UUID("e47a6535-984a-4798-865e-4685a7bf8ec2")
"""Entry of the firmware's table with the metadata's distance from the image's end."""

_HEADER: Final = struct.Struct("<4sIII")
_SECTION: Final = struct.Struct("<IIQQII")
_MOST_SECTIONS: Final = 64
_LARGEST_SECTION: Final = 64 << 20
_LARGEST_WHOLE: Final = 128 << 20
"""Bytes of all sections together; OVMF has 2 to 4 MiB."""
_ADDRESS_END: Final = 1 << 51
"""Private addresses of a TD lie below its shared bit: bit 51 at the most."""
_EXTEND: Final = 1
_AUGMENTED: Final = 2


class SectionKind(IntEnum):
    """What a range of memory is for."""

    BOOT_VOLUME = 0
    """The firmware's code (BFV)."""
    CONFIGURATION_VOLUME = 1
    """The firmware's variables (CFV); measured by the firmware, into RTMR 0."""
    HAND_OFF = 2
    """Where the VMM describes memory (TD HOB)."""
    TEMPORARY_MEMORY = 3
    PERMANENT_MEMORY = 4
    PAYLOAD = 5
    PAYLOAD_PARAMETERS = 6
    TD_INFO = 7


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A range of memory; address and size are whole pages."""

    kind: SectionKind
    address: int
    size: int
    content: bytes
    """From the image, zeros to the end of the range."""
    extended: bool
    """Whether content counts for the TD's measurement; the range always does."""
    augmented: bool
    """Memory that the TD accepts while it runs: it is not there at the launch."""


class Tdvf(msgspec.Struct, frozen=True):
    """An image made for TDs."""

    sections: tuple[Section, ...]
    """In the metadata's order, which is that of the launch."""

    @classmethod
    def parse(cls, image: bytes) -> Self:
        """Read an OVMF image: code and variables in one file.

        Raises:
            InputError: it is none, is not made for TDX, or its metadata are broken.
        """
        table = firmware_table.parse(image)
        begin = len(image) - firmware_table.number(table, METADATA, "TDX metadata")
        if not 0 <= begin <= len(image) - _HEADER.size:
            raise _error(f"metadata at {begin}", "metadata within the image")
        signature, size, version, count = _HEADER.unpack_from(image, begin)
        if (signature, version) != (b"TDVF", 1):
            raise _error(f"{signature!r} version {version}", "TDVF version 1")
        whole = _HEADER.size + count * _SECTION.size
        if count > _MOST_SECTIONS or size < whole or begin + whole > len(image):
            raise _error(f"{count} sections in {size} bytes", "all of them inside")
        entries = tuple(_SECTION.iter_unpack(image[begin + _HEADER.size : begin + whole]))
        _require_apart(entries)
        return cls(tuple(_section(image, *entry) for entry in entries))

    def of_kind(self, kind: SectionKind) -> Section:
        """Give the section of a kind that there is one of.

        Raises:
            InputError: there is none, or several.
        """
        found = [one for one in self.sections if one.kind is kind]
        if len(found) != 1:
            raise _error(f"{len(found)} sections {kind.name}", "one")
        return found[0]


def _require_apart(entries: Iterable[tuple[int, ...]]) -> None:
    """Refuse a page that is added twice, as the TDX module would, and more memory than is sane."""
    ranges = sorted((address, address + size) for _, _, address, size, _, _ in entries)
    total = sum(end - begin for begin, end in ranges)
    if total > _LARGEST_WHOLE:
        raise _error(f"sections of {total:#x} bytes together", "at most 128 MiB")
    for (_, end), (begin, _) in pairwise(ranges):
        if begin < end:
            raise _error(f"two sections at {begin:#x}", "sections that do not overlap")


def _section(image: bytes, *entry: int) -> Section:
    offset, raw_size, address, size, kind, attributes = entry
    where = f"section at {address:#x}"
    if address % PAGE or size % PAGE or not size or size > _LARGEST_SECTION:
        raise _error(f"{where} of {size:#x} bytes", "whole pages, at most 64 MiB")
    if address + size > _ADDRESS_END:
        raise _error(f"{where} of {size:#x} bytes", "addresses below 2^51")
    if raw_size > size or offset + raw_size > len(image):
        raise _error(f"{where} with {raw_size:#x} bytes at {offset:#x}", "content within the image")
    if kind not in set(SectionKind):
        raise _error(f"{where} of type {kind}", "a known type")
    if attributes & _EXTEND and not _is_known(SectionKind(kind), raw_size, size):
        raise _error(f"{where} measured, {raw_size:#x} bytes of it known", "content in the image")
    return Section(
        kind=SectionKind(kind),
        address=address,
        size=size,
        content=image[offset : offset + raw_size].ljust(size, b"\0"),
        extended=bool(attributes & _EXTEND),
        augmented=bool(attributes & _AUGMENTED),
    )


def _is_known(kind: SectionKind, raw_size: int, size: int) -> bool:
    """Tell whether all content follows from the image: VMMs differ in how they fill what is not."""
    return raw_size == (0 if kind is SectionKind.TEMPORARY_MEMORY else size)


def _error(got: str, want: str) -> InputError:
    return InputError("TDX firmware", got=got, want=want, spec="TDVF design guide, 11.1")
