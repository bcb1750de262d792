"""Tar archives as a stream: bytes in, entries and file contents out, in bounded memory.

POSIX ustar, PAX records and GNU long names, as image layers use them; nothing is written here.
"""

import base64
import binascii
from collections.abc import Iterator
from enum import StrEnum
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from casemate.errors import PeerError

LARGEST_EXTENSION: Final = 1 << 20
"""Largest PAX header or GNU long name, in bytes."""
LONGEST_PATH: Final = 4096

_BLOCK: Final = 512
_LATEST: Final = (1 << 33) * 10**9  # nanoseconds; the year 2242, which every file system can hold
_NOBODY: Final = 0xFFFFFFFF  # to the kernel: leave the owner as it is
_ZEROS: Final = bytes(_BLOCK)
_XATTR: Final = b"SCHILY.xattr."
_LIB_XATTR: Final = b"LIBARCHIVE.xattr."


class Kind(StrEnum):
    """Kinds of file-system objects."""

    FILE = "file"
    HARDLINK = "hardlink"
    SYMLINK = "symlink"
    CHAR = "char"
    BLOCK = "block"
    DIR = "dir"
    FIFO = "fifo"


_KINDS: Final = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHAR,
    b"4": Kind.BLOCK,
    b"5": Kind.DIR,
    b"6": Kind.FIFO,
}


class Entry(msgspec.Struct, frozen=True):
    """One object of the archive. ``path`` and ``target`` are as written: judge them first."""

    path: bytes
    kind: Kind
    mode: int
    """Permission bits, with set-user-id and friends (07777)."""
    uid: int
    gid: int
    size: int
    """Bytes of content that follow; 0 for all but files."""
    mtime_ns: int
    """Nanoseconds since the Unix epoch."""
    target: bytes = b""
    """Where a link points."""
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device."""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


class End(msgspec.Struct, frozen=True):
    """The current file's content is complete."""


Event = Entry | bytes | End
"""An entry; for files also pieces of content and an End."""


class TarReader:
    """The archive's state machine: ``feed`` gives events, ``finish`` accepts or refuses the end."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._left = 0
        self._padding = 0
        self._extension: bytearray | None = None
        self._extension_type = b""
        self._local: dict[bytes, bytes] = {}
        self._zero_blocks = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take the next bytes; pieces of content are at most as large as ``data``.

        Raises:
            PeerError: not a tar archive, or one with a part we refuse to guess at.
        """
        view = memoryview(data)
        while view and self._zero_blocks < 2:
            if self._left:
                piece, view = view[: self._left], view[self._left :]
                self._left -= len(piece)
                if self._extension is None:
                    yield bytes(piece)
                    if not self._left:
                        yield End()
                else:
                    self._extension += piece
                    if not self._left:
                        self._take_extension()
            elif self._padding:
                skipped = min(self._padding, len(view))
                self._padding -= skipped
                view = view[skipped:]
            else:
                wanted = _BLOCK - len(self._held)
                self._held += view[:wanted]
                view = view[wanted:]
                if len(self._held) == _BLOCK:
                    block = bytes(self._held)
                    self._held.clear()
                    yield from self._take_header(block)

    def finish(self) -> None:
        """Accept the end of the stream; the two zero blocks may be missing.

        Raises:
            PeerError: the archive ends inside an entry.
        """
        if self._left or any(self._held) or self._local:
            raise _broken("end", "an entry cut short", "a whole archive")

    def _take_header(self, block: bytes) -> Iterator[Event]:
        if block == _ZEROS:
            self._zero_blocks += 1
            return
        if self._zero_blocks:
            raise _broken("end", "data after one zero block", "two zero blocks")
        _require_checksum(block)
        flag, size = block[156:157], _number(block[124:136], "size")
        if flag in b"xgLK" and flag:
            self._begin_extension(flag, size)
            return
        entry = self._entry(block, flag, size)
        self._local = {}
        self._left, self._padding = entry.size, -entry.size % _BLOCK
        yield entry
        if entry.kind is Kind.FILE and not entry.size:
            yield End()

    def _begin_extension(self, flag: bytes, size: int) -> None:
        if not 0 < size <= LARGEST_EXTENSION:
            raise _broken("extended header", f"{size} bytes", f"1 to {LARGEST_EXTENSION}")
        self._extension, self._extension_type = bytearray(), flag
        self._left, self._padding = size, -size % _BLOCK

    def _take_extension(self) -> None:
        data, self._extension = bytes(self._extension or b""), None
        match self._extension_type:
            case b"x":
                self._local |= _pax(data)
            case b"g":
                _pax(data)  # well formed, but without effect, as in the Go tools that make layers
            case b"L":
                self._local[b"path"] = data.rstrip(b"\0")
            case _:
                self._local[b"linkpath"] = data.rstrip(b"\0")

    def _entry(self, block: bytes, flag: bytes, size: int) -> Entry:
        records = self._local
        if flag not in _KINDS or any(name.startswith(b"GNU.sparse") for name in records):
            raise _broken("entry type", flag, "a file, link, folder, device or fifo")
        path = records.get(b"path") or _ustar_path(block)
        kind = _KINDS[flag]
        if kind is Kind.FILE and path.endswith(b"/"):
            kind = Kind.DIR
        size = _decimal(records, b"size", size)
        return Entry(
            path=_bounded(path),
            kind=kind,
            mode=_number(block[100:108], "mode") & 0o7777,
            uid=_owner(records, b"uid", block[108:116]),
            gid=_owner(records, b"gid", block[116:124]),
            size=size if kind is Kind.FILE else 0,
            mtime_ns=_mtime(records, block),
            target=_bounded(records.get(b"linkpath") or _text(block[157:257])),
            device=_device(block) if kind in {Kind.CHAR, Kind.BLOCK} else (0, 0),
            xattrs=tuple(_xattrs(records)),
        )


def _require_checksum(block: bytes) -> None:
    stated = _number(block[148:156], "checksum")
    found = sum(block) - sum(block[148:156]) + 8 * 32
    if stated != found:
        raise _broken("header checksum", stated, str(found))


def _number(field: bytes, what: str) -> int:
    if field[0] & 0x80:  # GNU base-256: two's complement, the first bit only marks it
        value = int.from_bytes(field, "big", signed=bool(field[0] & 0x40))
        value = value if value < 0 else value - (1 << (8 * len(field) - 1))
    else:
        text = field.strip(b"\0 ")
        if not all(c in b"01234567" for c in text):
            raise _broken(what, field, "octal digits")
        value = int(text, 8) if text else 0
    if not -(1 << 62) < value < 1 << 62:
        raise _broken(what, "a huge number", "at most 62 bits")
    if value < 0 and what != "mtime":
        raise _broken(what, value, "a positive number")
    return value


def _device(block: bytes) -> tuple[int, int]:
    major, minor = _number(block[329:337], "major"), _number(block[337:345], "minor")
    if major >= 1 << 12 or minor >= 1 << 20:
        raise _broken("device", f"{major}:{minor}", "a Linux device number")
    return major, minor


def _owner(records: dict[bytes, bytes], name: bytes, field: bytes) -> int:
    number = _decimal(records, name, _number(field, name.decode()))
    if number >= _NOBODY:
        raise _broken(name.decode(), number, "at most 32 bits")
    return number


def _decimal(records: dict[bytes, bytes], name: bytes, default: int) -> int:
    text = records.get(name)
    if not text:
        return default
    if not text.isdigit() or len(text) > 18:
        raise _broken(f"PAX {name.decode()}", text, "a decimal number")
    return int(text)


def _mtime(records: dict[bytes, bytes], block: bytes) -> int:
    text = records.get(b"mtime")
    if not text:
        return _clamped(_number(block[136:148], "mtime") * 10**9)
    whole, _, part = text.partition(b".")
    digits = whole.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 18 or (part and not part.isdigit()):
        raise _broken("PAX mtime", text, "seconds")
    nanoseconds = int(digits) * 10**9 + int((part + b"0" * 9)[:9])
    return _clamped(-nanoseconds if whole.startswith(b"-") else nanoseconds)


def _clamped(nanoseconds: int) -> int:
    return min(max(0, nanoseconds), _LATEST)


def _pax(data: bytes) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 12)
        length = data[at:space] if space > 0 else b""
        if not length.isdigit():
            raise _broken("PAX record", data[at : at + 12], "a length")
        end = at + int(length)
        if end > len(data) or end <= space + 2 or data[end - 1 : end] != b"\n":
            raise _broken("PAX record", f"{int(length)} bytes", "one that fits and ends its line")
        name, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or not name:
            raise _broken("PAX record", name, "name=value")
        records[name] = value
        at = end
    return records


def _xattrs(records: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in records.items():
        if name.startswith(_XATTR):
            yield name.removeprefix(_XATTR), value
        elif name.startswith(_LIB_XATTR):
            plain = unquote_to_bytes(name.removeprefix(_LIB_XATTR))
            if _XATTR + plain not in records:
                yield plain, _base64(value)


def _base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4))
    except (binascii.Error, ValueError) as error:
        raise _broken("PAX xattr", value, "base64") from error


def _ustar_path(block: bytes) -> bytes:
    name, prefix = _text(block[:100]), _text(block[345:500])
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _bounded(path: bytes) -> bytes:
    if len(path) > LONGEST_PATH or b"\0" in path:
        raise _broken("path", path[:60], f"at most {LONGEST_PATH} bytes, no zero byte")
    return path


def _broken(what: str, got: object, want: str) -> PeerError:
    return PeerError(f"layer tar {what}", got=got, want=want, spec="POSIX pax")
