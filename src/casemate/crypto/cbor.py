"""CBOR (RFC 8949), as far as signed tokens need it: read with bounds, written in one way only.

Read: definite lengths alone (the profile of Arm's CCA token allows no others), any width of a
number, each map key once, nothing behind the item. Tags are kept, never acted upon. Written:
core deterministic encoding (section 4.2.1). ``Span`` gives the place of each part, for layouts.
"""

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias, Union

from casemate.errors import InputError, PeerError

LARGEST: Final = 64 * 1024
"""Bytes of an item that are read; a real CCA token has 2 to 3 KB."""
DEEPEST: Final = 16
"""Arrays, maps and tags within one another."""

_SPEC: Final = "RFC 8949"
_WIDTHS: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE: Final[Mapping[int, bool | None]] = {20: False, 21: True, 22: None}
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = range(8)

Key: TypeAlias = int | str | bytes
"""Kinds of map key that are taken."""
Value: TypeAlias = Union[
    int, str, bytes, bool, float, tuple["Value", ...], Mapping[Key, "Value"], "Tag", None
]


class Tag(NamedTuple):
    """A tagged value. What a tag means is the reader's business."""

    number: int
    value: "Value"


class Span(NamedTuple):
    """An element of an array or a map: where its value lies, in bytes of the whole."""

    key: Key | None
    """None in an array."""
    value: Value
    offset: int
    size: int
    """With the value's own head."""


def decode(data: bytes, where: str) -> Value:
    """Read exactly one item of at most 64 KiB.

    Raises:
        PeerError: not CBOR, an indefinite length, a key twice or of another kind, too deep, or
            something behind it.
    """
    reader = _Reader(data, where)
    value, end = reader.item(0, 0)
    reader.require_end(end)
    return value


def spans(data: bytes, where: str) -> tuple[Span, ...]:
    """Read an array or a map, with or without a tag, and say where each element lies.

    Raises: as ``decode``; also for any other item.
    """
    reader = _Reader(data, where)
    found, end = reader.elements(0)
    reader.require_end(end)
    return found


def encode(value: Value) -> bytes:
    """Write an item: shortest heads, keys in the order of their bytes; floats take 8 bytes.

    Raises:
        InputError: a number of more than 64 bits, or a negative tag.
    """
    match value:
        case bool() | float() | None:
            return _encode_simple(value)
        case int():
            return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case bytes() | str():
            content = value.encode("utf-8") if isinstance(value, str) else value
            return _head(_TEXT if isinstance(value, str) else _BYTES, len(content)) + content
        case Tag(number, inner):
            return _head(_TAG, number) + encode(inner)
        case tuple():
            return _head(_ARRAY, len(value)) + b"".join(encode(one) for one in value)
        case _:
            pairs = sorted((encode(key), encode(one)) for key, one in value.items())
            return _head(_MAP, len(pairs)) + b"".join(key + one for key, one in pairs)


def _encode_simple(value: bool | float | None) -> bytes:  # noqa: FBT001  # a value as any other
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    return bytes([_OTHER << 5 | next(code for code, one in _SIMPLE.items() if one is value)])


def _head(major: int, argument: int) -> bytes:
    if argument < 0:
        raise InputError("CBOR tag", got=argument, want="0 or more", spec=_SPEC)
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, width in _WIDTHS.items():
        if argument < 1 << 8 * width:
            return bytes([major << 5 | code]) + argument.to_bytes(width, "big")
    raise InputError("CBOR number", got=f"{argument.bit_length()} bits", want="64", spec=_SPEC)


class _Reader:
    """Bytes, and what messages call them. Every method gives what it read, and where that ends."""

    __slots__ = ("_data", "_where")

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        self._where = where
        if len(data) > LARGEST:
            raise self._broken(f"{len(data)} bytes", f"at most {LARGEST}")

    def require_end(self, end: int) -> None:
        if end != len(self._data):
            raise self._broken(f"{len(self._data) - end} bytes behind it", "one item")

    def item(self, at: int, depth: int) -> tuple[Value, int]:
        major, info, argument, at = self._head(at)
        if major in {_UNSIGNED, _NEGATIVE}:
            return (argument if major == _UNSIGNED else -1 - argument), at
        if major in {_BYTES, _TEXT}:
            content, at = self._take(at, argument)
            return (content if major == _BYTES else self._text(content)), at
        if major == _OTHER:
            return self._simple(info, at), at
        if depth == DEEPEST:
            raise self._broken(f"more than {DEEPEST} levels", "fewer")
        if major == _TAG:
            value, at = self.item(at, depth + 1)
            return Tag(argument, value), at
        found, at = self._each(major, argument, at, depth + 1)
        if major == _ARRAY:
            return tuple(one.value for one in found), at
        return {one.key: one.value for one in found if one.key is not None}, at

    def elements(self, at: int) -> tuple[tuple[Span, ...], int]:
        major, _, argument, at = self._head(at)
        if major == _TAG:
            major, _, argument, at = self._head(at)
        if major not in {_ARRAY, _MAP}:
            raise self._broken(f"major type {major}", "an array or a map")
        found, at = self._each(major, argument, at, 1)
        return tuple(found), at

    def _each(self, major: int, count: int, at: int, depth: int) -> tuple[list[Span], int]:
        if count > len(self._data) - at:  # each element has a byte or more
            raise self._broken(f"{count} elements", f"{len(self._data) - at} bytes hold fewer")
        found: list[Span] = []
        seen: set[Key] = set()
        for _ in range(count):
            key: Key | None = None
            if major == _MAP:
                key, at = self._key(at, seen)
            begin = at
            value, at = self.item(begin, depth)
            found.append(Span(key, value, begin, at - begin))
        return found, at

    def _key(self, at: int, seen: set[Key]) -> tuple[Key, int]:
        if at < len(self._data) and self._data[at] >> 5 > _TEXT:
            raise self._broken(f"a key of major type {self._data[at] >> 5}", "number or string")
        key, at = self.item(at, 0)
        assert isinstance(key, int | str | bytes)  # by its major type
        if key in seen:
            raise self._broken(f"key {key!r} twice", "each key once")
        seen.add(key)
        return key, at

    def _head(self, at: int) -> tuple[int, int, int, int]:
        """Give major type, additional information, argument (or count), and where it ends."""
        if at >= len(self._data):
            raise self._broken("a cut item", "a whole one")
        first = self._data[at]
        major, info = first >> 5, first & 0x1F
        if info < 24:
            return major, info, info, at + 1
        if info not in _WIDTHS:
            raise self._broken(
                "an indefinite length" if info == 31 else f"reserved head {first:#04x}",
                "definite lengths",
            )
        content, end = self._take(at + 1, _WIDTHS[info])
        return major, info, int.from_bytes(content, "big"), end

    def _take(self, at: int, size: int) -> tuple[bytes, int]:
        if size > len(self._data) - at:
            raise self._broken(f"{len(self._data) - at} bytes", f"{size} bytes")
        return self._data[at : at + size], at + size

    def _text(self, content: bytes) -> str:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._broken("text that is not UTF-8", "UTF-8") from error

    def _simple(self, info: int, end: int) -> bool | float | None:
        """False, true, null, or a float whose bytes end at ``end``."""
        if form := _FLOATS.get(info):
            number: float = struct.unpack(form, self._data[end - _WIDTHS[info] : end])[0]
            return number
        if info not in _SIMPLE:
            raise self._broken(f"simple value {info}", "false, true, null or a float")
        return _SIMPLE[info]

    def _broken(self, got: str, want: str) -> PeerError:
        return PeerError(self._where, got=got, want=want, spec=_SPEC)
