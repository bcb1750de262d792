"""Tiny ELF files: right in form, with the sections that are asked for and nothing to run."""

import struct
from collections.abc import Mapping, Sequence

_HEADER = 64
_DYNAMIC = 6
_PROGBITS = 1


def elf(sections: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Make a 64-bit ELF file; sections are given by name as (type, contents)."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    every = {**sections, ".shstrtab": (3, names)}
    body, headers = b"", bytes(64)
    for name, (kind, data) in every.items():
        offset = _HEADER + len(body)
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        headers += struct.pack("<IIQQQQIIQQ", at, kind, 0, 0, offset, len(data), 0, 0, 1, 0)
        body += data
    count = len(every) + 1
    head = bytearray(_HEADER)
    head[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", head, 0x28, _HEADER + len(body))
    struct.pack_into("<HHH", head, 0x3A, 64, count, count - 1)
    return bytes(head) + body + headers


def module(name: str, depends: Sequence[str] = ()) -> bytes:
    """Make a kernel module's outside: its ``.modinfo``."""
    facts = f"name={name}\0depends={','.join(depends)}\0license=GPL\0"
    return elf({".modinfo": (_PROGBITS, facts.encode())})


def linked_with(libraries: Sequence[str]) -> bytes:
    """Make a program's outside: which libraries it is linked with."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in libraries)
    rows = b"".join(
        struct.pack("<qQ", 1, strings.index(b"\0" + name.encode() + b"\0") + 1)
        for name in libraries
    )
    return elf({".dynstr": (3, strings), ".dynamic": (_DYNAMIC, rows + bytes(16))})


def shared(
    needed: Sequence[str],
    *,
    wants: Sequence[str] = (),
    has: Sequence[str] = (),
    versions: Sequence[str] = (),
) -> bytes:
    """Make a library's outside: symbols, and the dynamic section in a segment of its own."""
    names = b"\0" + b"".join(each.encode() + b"\0" for each in [*needed, *wants, *has])
    at = {each: names.index(b"\0" + each.encode() + b"\0") + 1 for each in [*needed, *wants, *has]}
    symbols = bytes(24)
    for each in wants:
        symbols += struct.pack("<IBBHQQ", at[each], 0x12, 0, 0, 0, 0)
    for each in has:
        symbols += struct.pack("<IBBHQQ", at[each], 0x12, 0, 7, 0, 0)
    rows = [(1, at[each]) for each in needed] + [(5, 0), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *row) for row in rows)
    last = len(versions) - 1
    wanted = b"".join(
        struct.pack("<HHIII", 1, 0, at[each], 0, 0 if n == last else 16)
        for n, each in enumerate(versions)
    )
    sections = {".dynstr": (3, names), ".dynsym": (11, symbols), ".gnu.version_r": (1, wanted)}
    plain = bytearray(elf({**sections, ".dynamic": (6, dynamic)}))
    segment = struct.pack("<IIQQQQQQ", 2, 6, plain.index(dynamic), 0, 0, len(dynamic), 0, 8)
    struct.pack_into("<Q", plain, 0x20, len(plain))
    struct.pack_into("<HH", plain, 0x36, 56, 1)
    return bytes(plain) + segment
