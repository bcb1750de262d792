"""What the build asks of an ELF file: libraries it needs, facts of a kernel module, what is loaded.

64-bit little-endian only (System V ABI, x86-64 supplement): the image is for one architecture.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from casemate.errors import InputError

MAGIC: Final = b"\x7fELF\x02\x01"
_MALFORMED: Final = (struct.error, IndexError, ValueError, OverflowError)
_DYNAMIC: Final = 6
"""``sh_type`` of the dynamic section."""
_LOAD: Final = 1
"""``p_type`` of a segment that is mapped."""
_DYNAMIC_SEGMENT: Final = 2
"""``p_type`` of the segment with the dynamic section."""
_WRITABLE: Final = 2
"""Bit of ``p_flags``."""
_TABLES: Final = ((7, 8), (23, 2), (5, 10))
"""``d_tag`` of address and size: relocations, those of the procedure table, names of symbols."""
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
    table, size, segments = _segments(data)
    if not any(segment.kind == _LOAD for segment in segments):
        return data
    ends = (segment.offset + segment.size for segment in segments)
    end = max(table + size * len(segments), *ends)
    if end > len(data):
        raise InputError("ELF file", got=f"{len(data)} bytes", want=f"segments, which end at {end}")
    kept = bytearray(data[:end])
    struct.pack_into("<Q", kept, 0x28, 0)  # where the section table is
    struct.pack_into("<HH", kept, 0x3C, 0, 0)  # how many it has, and which holds their names
    return bytes(kept)


def relocated(data: bytes) -> list[tuple[int, int]]:
    """Parts of a library that the dynamic loader reads whole: (offset, bytes).

    The first holds symbols, their names and relocations, each of the others is a writable segment.

    Raises:
        InputError: no well-formed program header or dynamic section.
    """
    _, _, segments = _segments(data)
    mapped = [segment for segment in segments if segment.kind == _LOAD]
    try:
        (dynamic,) = (segment for segment in segments if segment.kind == _DYNAMIC_SEGMENT)
        rows = data[dynamic.offset : dynamic.offset + dynamic.size]
        tags = dict(struct.iter_unpack("<qQ", rows))
        there = ((tags[at], tags[size]) for at, size in _TABLES if at in tags)
        end = max(_offset(mapped, address) + size for address, size in there)
    except (*_MALFORMED, KeyError) as error:
        raise InputError("ELF file", got=repr(error), want="a dynamic section") from error
    written = [(each.offset, each.size) for each in mapped if each.flags & _WRITABLE]
    return [(0, end), *written]


def symbols(data: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Names in the dynamic symbol table: those that the file wants of others, those that it has.

    Raises:
        InputError: no well-formed section or symbol table.
    """
    try:
        every = {name: body for name, _, body in _sections(data)}
        names = every.get(".dynstr", b"")
        rows = struct.iter_unpack("<IBBHQQ", every.get(".dynsym", b""))
        found = [(_text(names, name), section) for name, _, _, section, _, _ in rows]
    except _MALFORMED as error:
        raise InputError("ELF file", got=error, want="a well-formed symbol table") from error
    wanted = frozenset(name for name, section in found if section == 0)
    return wanted, frozenset(name for name, section in found if section != 0)


def versioned(data: bytes) -> frozenset[str]:
    """Names of the libraries of which the file wants symbols of a certain version.

    Raises:
        InputError: no well-formed table of wanted versions.
    """
    try:
        every = {name: body for name, _, body in _sections(data)}
        names, table = every.get(".dynstr", b""), every.get(".gnu.version_r", b"")
        found, at, step = set(), 0, len(table)
        while step:
            _, _, name, _, step = struct.unpack_from("<HHIII", table, at)
            found.add(_text(names, name))
            at += step
    except _MALFORMED as error:
        raise InputError("ELF file", got=error, want="a well-formed version table") from error
    return frozenset(found)


def without_needed(data: bytes, library: str) -> bytes:
    """Give a file which is no longer linked with a library; the rest of it stays where it is.

    Raises:
        InputError: no well-formed program header or dynamic section.
    """
    _, _, segments = _segments(data)
    changed = bytearray(data)
    try:
        names = next((body for name, _, body in _sections(data) if name == ".dynstr"), b"")
        for segment in (each for each in segments if each.kind == _DYNAMIC_SEGMENT):
            end = segment.offset + segment.size
            rows = list(struct.iter_unpack("<qQ", data[segment.offset : end]))
            kept = [row for row in rows if row[0] != _NEEDED or _text(names, row[1]) != library]
            kept += [(0, 0)] * (len(rows) - len(kept))
            changed[segment.offset : end] = b"".join(struct.pack("<qQ", *row) for row in kept)
    except _MALFORMED as error:
        raise InputError("ELF file", got=error, want="a well-formed dynamic section") from error
    return bytes(changed)


class _Segment(NamedTuple):
    """A row of the program header, as far as it matters here."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int


def _segments(data: bytes) -> tuple[int, int, list[_Segment]]:
    """Give where the program header is, the size of a row, and the rows (56 bytes each)."""
    try:
        (table,) = struct.unpack_from("<Q", data, 0x20)
        size, count = struct.unpack_from("<HH", data, 0x36)
        rows = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    except _MALFORMED as error:
        raise InputError("ELF file", got=error, want="a well-formed program header") from error
    found = [
        _Segment(kind, flags, offset, at, length) for kind, flags, offset, at, _, length in rows
    ]
    return table, size, found


def _offset(mapped: list[_Segment], address: int) -> int:
    """Where in the file the byte is that is mapped at ``address``."""
    for segment in mapped:
        if 0 <= address - segment.address < segment.size:
            return address - segment.address + segment.offset
    raise ValueError(f"address {address:#x} is in no segment")


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
