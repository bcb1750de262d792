"""DER, as far as certificates and their lists need it: definite lengths, nothing left over.

Vendors' certificates have corners that strict libraries refuse (an AMD VCEK has serial number 0),
so what verification looks at is read here, in the one form that DER allows (X.690 section 10).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, NamedTuple, Self

from casemate.errors import PeerError

_SPEC: Final = "X.690"
_MOST_LENGTH_BYTES: Final = 4
_LARGEST_ARC: Final = 1 << 128  # a UUID below 2.25 (X.667)
_TIME_SIZES: Final = {0x17: 13, 0x18: 15}


class Tag(IntEnum):
    """Identifier octets of the types that certificates use."""

    BOOLEAN = 0x01
    INTEGER = 0x02
    BIT_STRING = 0x03
    OCTET_STRING = 0x04
    NULL = 0x05
    OID = 0x06
    ENUMERATED = 0x0A
    UTF8_STRING = 0x0C
    PRINTABLE_STRING = 0x13
    IA5_STRING = 0x16
    UTC_TIME = 0x17
    GENERALIZED_TIME = 0x18
    SEQUENCE = 0x30
    SET = 0x31


class Element(NamedTuple):
    """One element: its identifier octet, its content, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Self:
        """Read exactly one element.

        Raises:
            PeerError: it is not DER, or something follows it.
        """
        element, end = _read(raw, 0, where)
        if end != len(raw):
            raise _broken(where, f"{len(raw) - end} bytes behind it", "one element")
        return cls(*element)

    def expect(self, tag: int, where: str) -> Self:
        """Give itself when it is of this type.

        Raises:
            PeerError: it is of another.
        """
        if self.tag != tag:
            raise _broken(where, f"tag {self.tag:#04x}", f"tag {tag:#04x}")
        return self

    def children(self, where: str) -> list["Element"]:
        """Read the elements inside.

        Raises:
            PeerError: the content is not a sequence of elements.
        """
        return [Element(*one) for one in _each(self.content, where)]

    def integer(self, where: str) -> int:
        """Read an INTEGER or ENUMERATED, which may be negative.

        Raises:
            PeerError: another type, empty, or not in its shortest form.
        """
        if self.tag not in {Tag.INTEGER, Tag.ENUMERATED}:
            raise _broken(where, f"tag {self.tag:#04x}", "INTEGER")
        content = self.content
        padded = len(content) > 1 and (
            (content[0] == 0 and content[1] < 0x80) or (content[0] == 0xFF and content[1] >= 0x80)
        )
        if not content or padded:
            raise _broken(where, content.hex() or "no bytes", "an INTEGER in its shortest form")
        return int.from_bytes(content, "big", signed=True)

    def boolean(self, where: str) -> bool:
        """Read a BOOLEAN: 00 or FF.

        Raises:
            PeerError: another type or value.
        """
        if self.tag != Tag.BOOLEAN or self.content not in {b"\0", b"\xff"}:
            raise _broken(where, f"tag {self.tag:#04x} {self.content[:4].hex()}", "a BOOLEAN")
        return self.content == b"\xff"

    def bits(self, where: str) -> bytes:
        """Read a BIT STRING of whole bytes.

        Raises:
            PeerError: another type, or bits that are no whole bytes.
        """
        if self.tag != Tag.BIT_STRING or self.content[:1] != b"\0":
            raise _broken(where, f"tag {self.tag:#04x}", "a BIT STRING of whole bytes")
        return self.content[1:]

    def oid(self, where: str) -> str:
        """Read an OBJECT IDENTIFIER in dotted form.

        Raises:
            PeerError: another type, cut, or with an arc of more than 128 bits.
        """
        self.expect(Tag.OID, where)
        arcs: list[int] = []
        value, open_arc = 0, True
        for byte in self.content:
            value = value << 7 | byte & 0x7F
            open_arc = byte >= 0x80
            if value >= _LARGEST_ARC:
                raise _broken(where, "an arc of more than 128 bits", "smaller arcs")
            if not open_arc:
                arcs.append(value)
                value = 0
        if open_arc:
            raise _broken(where, "a cut OBJECT IDENTIFIER", "a whole one")
        first = min(arcs[0] // 40, 2)
        return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))

    def time(self, where: str) -> datetime:
        """Read UTCTime or GeneralizedTime in the form of RFC 5280 section 4.1.2.5: UTC, seconds.

        Raises:
            PeerError: another type or form.
        """
        text = self.content.decode("ascii", "replace")
        if len(text) != _TIME_SIZES.get(self.tag) or not text.endswith("Z"):
            raise _broken(where, text, "YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ")
        if self.tag == Tag.UTC_TIME:
            text = ("20" if text[:2] < "50" else "19") + text
        try:
            return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
        except ValueError as error:
            raise _broken(where, text, "a time") from error


def _each(raw: bytes, where: str) -> Iterator[tuple[int, bytes, bytes]]:
    at = 0
    while at < len(raw):
        element, at = _read(raw, at, where)
        yield element


def _read(raw: bytes, at: int, where: str) -> tuple[tuple[int, bytes, bytes], int]:
    if at + 2 > len(raw):
        raise _broken(where, "a cut element", "tag and length")
    tag, size, begin = raw[at], raw[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise _broken(where, "a tag of several bytes", "one byte")
    if size >= 0x80:
        count = size & 0x7F
        size = int.from_bytes(raw[begin : begin + count], "big")
        begin += count
        if not 1 <= count <= _MOST_LENGTH_BYTES or size < 0x80 or size < 1 << 8 * (count - 1):
            raise _broken(where, f"a length of {count} bytes", "the shortest form of a length")
    end = begin + size
    if end > len(raw):
        raise _broken(where, f"{len(raw) - begin} bytes", f"{size} bytes")
    return (tag, raw[begin:end], raw[at:end]), end


def _broken(where: str, got: str, want: str) -> PeerError:
    return PeerError(where, got=got, want=want, spec=_SPEC)
