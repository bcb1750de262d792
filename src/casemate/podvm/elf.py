"""What the build asks of an ELF file: libraries it needs, facts of a kernel module, what is loaded.

64-bit little-endian only (System V ABI, x86-64 supplement): the image is for one architecture.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from casemate.errors import InputError

MAGIC: Final = b"\x7fELF\x02\x01"
_MALFORMED: Final = (struct.error, IndexError, ValueError, OverflowError)
_DYNAMIC: Final = 6
"""``sh_type`` of the dynamic section."""
_LOAD: Final = 1
"""``p_type`` of a segment that is mapped."""
_NEEDED: Final = 1
"""``d_tag`` of a needed library's name."""


def is_elf(data: bytes) -> bool:
    """Tell whether a file's beginning is that of a 64-bit little-endian ELF file."""
    return data[:6] == MAGIC


def needed(data: bytes) -> list[str]:
    """Names of the shared libraries that a program or library is linked with (``DT_NEEDED``)."""
    try:
        return list(_needed(data))
    except _MALFORMED as error:
        raise InputError("ELF file", got=error, want="a well-formed dynamic section") from error


def interpreter(data: bytes) -> str | None:
    """Path of the program's dynamic loader; None for a static program or a library."""
    found = section(data, ".interp")
    return None if found is None else found.rstrip(b"\0").decode()


def module_facts(data: bytes) -> Mapping[str, list[str]]:
    """What a kernel module states of itself (``.modinfo``): name, dependencies, and more."""
    facts: dict[str, list[str]] = {}
    for item in (section(data, ".modinfo") or b"").split(b"\0"):
        key, equals, value = item.decode(errors="replace").partition("=")
        if equals:
            facts.setdefault(key, []).append(value)
    return facts


def section(data: bytes, name: str) -> bytes | None:
    """Contents of the section with this name; None when there is none."""
    try:
        return next((body for found, _, body in _sections(data) if found == name), None)
    except _MALFORMED as error:
        raise InputError("ELF file", got=error, want="a well-formed section table") from error


def loaded(data: bytes) -> bytes:
    """Give a program or library without what no loader maps: debuggers' symbols, section table.

    A file that has no segments to load, such as a kernel module, is given as it is.

    Raises:
        InputError: a segment ends beyond the file.
    """
    try:
        (table,) = struct.unpack_from("<Q", data, 0x20)
        size, count = struct.unpack_from("<HH", data, 0x36)
        segments = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    except _MALFORMED as error:
        raise InputError("ELF file", got=error, want="a well-formed program header") from error
    if not any(kind == _LOAD for kind, *_ in segments):
        return data
    end = max(table + size * count, *(offset + length for _, _, offset, _, _, length in segments))
    if end > len(data):
        raise InputError("ELF file", got=f"{len(data)} bytes", want=f"segments, which end at {end}")
    kept = bytearray(data[:end])
    struct.pack_into("<Q", kept, 0x28, 0)  # where the section table is
    struct.pack_into("<HH", kept, 0x3C, 0, 0)  # how many it has, and which holds their names
    return bytes(kept)


def _needed(data: bytes) -> Iterator[str]:
    names = next((body for name, _, body in _sections(data) if name == ".dynstr"), b"")
    for _, kind, body in _sections(data):
        if kind != _DYNAMIC:
            continue
        for tag, value in struct.iter_unpack("<qQ", body):
            if tag == _NEEDED:
                yield _text(names, value)


def _sections(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Give each section's name, type and contents (section header: 64 bytes)."""
    if not is_elf(data):
        raise ValueError("no 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    names = _body(data, headers[names_at]) if headers else b""
    for header in headers:
        yield _text(names, header[0]), header[1], _body(data, header)


def _body(data: bytes, header: tuple[int, ...]) -> bytes:
    no_bits = 8
    return b"" if header[1] == no_bits else data[header[4] : header[4] + header[5]]


def _text(names: bytes, offset: int) -> str:
    return names[offset : names.index(b"\0", offset)].decode()
