"""Unified kernel image: systemd's EFI stub with kernel, initrd and command line as PE sections.

Spec: Microsoft PE format (optional header PE32+, section table); UAPI group's unified kernel image.
The result is a function of its inputs alone: no time, no checksum, no signature.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from casemate.errors import InputError

_SECTION: Final = 40
"""Size of a row of the section table, in bytes."""
_PE32_PLUS: Final = 0x20B
_INITIALIZED_READABLE: Final = 0x4000_0040
_PAGE: Final = 4096
"""Our sections start on a page, whatever alignment the stub asks for, in bytes."""
_FILE_ALIGNMENTS: Final = frozenset(512 << i for i in range(8))
"""Powers of two from 512 to 64 KiB: what the format allows."""
_LARGEST_ALIGNMENT: Final = 1 << 21
"""Of sections in memory, in bytes; more would only be padding."""
_SECURITY: Final = 4
"""Index of the certificate table among the data directories."""


@dataclass(frozen=True, slots=True)
class _Headers:
    """Offsets (from the file's start) and values that adding sections must know or change."""

    coff: int
    optional: int
    table: int
    count: int
    section_alignment: int
    file_alignment: int
    size_of_headers: int


def build(stub: bytes, sections: Mapping[str, bytes]) -> bytes:
    """Append ``sections`` (name with its dot → contents, in this order) to the stub.

    Raises:
        InputError: the stub is no PE32+ image, is signed, or has no room for the section table.
    """
    try:
        return _build(stub, sections)
    except struct.error as error:
        raise InputError("EFI stub", got=error, want="a PE32+ image", spec="PE format") from error


def _build(stub: bytes, sections: Mapping[str, bytes]) -> bytes:
    headers = _headers(stub)
    _require_room(stub, headers, len(sections))
    out = bytearray(stub)
    out += bytes(-len(out) % headers.file_alignment)
    address = _aligned(_end_of_last(stub, headers), headers.section_alignment)
    row = headers.table + headers.count * _SECTION
    for name, data in sections.items():
        _section(out, row, name, data, address=address, file_alignment=headers.file_alignment)
        address = _aligned(address + len(data), headers.section_alignment)
        row += _SECTION
    struct.pack_into("<H", out, headers.coff + 2, headers.count + len(sections))
    struct.pack_into("<I", out, headers.optional + 56, address)  # SizeOfImage
    struct.pack_into("<I", out, headers.optional + 64, 0)  # CheckSum
    _grow_initialized_data(out, headers, sections)
    return bytes(out)


def _headers(stub: bytes) -> _Headers:
    (signature,) = struct.unpack_from("<I", stub, 0x3C)
    if stub[:2] != b"MZ" or stub[signature : signature + 4] != b"PE\0\0":
        raise InputError("EFI stub", got=stub[:2], want="a PE image", spec="PE format")
    coff = signature + 4
    count, optional_size = struct.unpack_from("<2xH12xH", stub, coff)
    optional = coff + 20
    magic, section_alignment, file_alignment = struct.unpack_from("<H30xII", stub, optional)
    if magic != _PE32_PLUS:
        raise InputError("EFI stub", got=hex(magic), want="PE32+", spec="PE optional header")
    (size_of_headers,) = struct.unpack_from("<I", stub, optional + 60)
    _require_unsigned(stub, optional)
    _require_alignments(section_alignment, file_alignment)
    return _Headers(
        coff,
        optional,
        optional + optional_size,
        count,
        max(section_alignment, _PAGE),
        file_alignment,
        size_of_headers,
    )


def _require_unsigned(stub: bytes, optional: int) -> None:
    _, size = struct.unpack_from("<II", stub, optional + 112 + 8 * _SECURITY)
    if size:
        raise InputError("EFI stub", got="a signed image", want="an unsigned one")


def _require_alignments(section: int, file: int) -> None:
    if file not in _FILE_ALIGNMENTS or section > _LARGEST_ALIGNMENT:
        raise InputError(
            "EFI stub",
            got=f"sections aligned to {section} in memory, {file} in the file",
            want="powers of two that the format allows",
            spec="PE optional header",
        )


def _require_room(stub: bytes, headers: _Headers, more: int) -> None:
    end = headers.table + (headers.count + more) * _SECTION
    old_end = headers.table + headers.count * _SECTION
    if end > headers.size_of_headers or any(stub[old_end:end]):
        raise InputError("EFI stub", got="a full section table", want=f"room for {more} more rows")


def _end_of_last(stub: bytes, headers: _Headers) -> int:
    rows = (headers.table + i * _SECTION for i in range(headers.count))
    sizes = [struct.unpack_from("<II", stub, row + 8) for row in rows]
    return max(int(size) + int(address) for size, address in sizes)


def _section(
    out: bytearray, row: int, name: str, data: bytes, *, address: int, file_alignment: int
) -> None:
    padded = _aligned(len(data), file_alignment)
    struct.pack_into(
        "<8sIIII12xI",
        out,
        row,
        name.encode(),
        len(data),
        address,
        padded,
        len(out),
        _INITIALIZED_READABLE,
    )
    out += data
    out += bytes(padded - len(data))


def _grow_initialized_data(
    out: bytearray, headers: _Headers, sections: Mapping[str, bytes]
) -> None:
    more = sum(_aligned(len(data), headers.file_alignment) for data in sections.values())
    (size,) = struct.unpack_from("<I", out, headers.optional + 8)
    struct.pack_into("<I", out, headers.optional + 8, size + more)


def _aligned(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
