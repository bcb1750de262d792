"""DER, as far as certificates and their lists need it: definite lengths, nothing left over.

Vendors' certificates have corners that strict libraries refuse (an AMD VCEK has serial number 0),
so what verification looks at is read here, in the one form that DER allows (X.690 section 10).
"""

from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple, Self

from casemate.errors import PeerError

_SPEC: Final = "X.690"
_MOST_LENGTH_BYTES: Final = 4
_LONGEST_OID: Final = 64
_LONGEST_INTEGER: Final = 128
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


_element: Final = tuple.__new__  # a quarter of the time of calling Element; there are hundreds


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
        found = _elements(raw, where, most=1)
        if not found:
            raise _broken(where, "nothing", "one element")
        return cls(*found[0])

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
        return _elements(self.content, where)

    def first(self, where: str) -> "Element":
        """Read the first element inside; what follows it is not looked at.

        Raises:
            PeerError: there is none.
        """
        found = _elements(self.content, where, only_first=True)
        if not found:
            raise _broken(where, "nothing", "an element")
        return found[0]

    def integer(self, where: str) -> int:
        """Read an INTEGER or ENUMERATED, which may be negative.

        Raises:
            PeerError: another type, empty, over 128 bytes, or not in its shortest form.
        """
        if self.tag not in {Tag.INTEGER, Tag.ENUMERATED}:
            raise _broken(where, f"tag {self.tag:#04x}", "INTEGER")
        content = self.content
        if len(content) > _LONGEST_INTEGER:
            raise _broken(where, f"{len(content)} bytes", f"at most {_LONGEST_INTEGER}")
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
        if self.tag != Tag.OID:
            raise _broken(where, f"tag {self.tag:#04x}", "OBJECT IDENTIFIER")
        content = self.content
        dotted = _dotted(content) if len(content) <= _LONGEST_OID else None
        if dotted is None:
            raise _broken(where, content[:16].hex(), "an OBJECT IDENTIFIER, arcs of 128 bits")
        return dotted

    def time(self, where: str) -> datetime:
        """Read UTCTime or GeneralizedTime in the form of RFC 5280 section 4.1.2.5: UTC, seconds.

        Raises:
            PeerError: another type or form.
        """
        text, digits = self.content, self.content[:-1]
        if len(text) != _TIME_SIZES.get(self.tag) or text[-1:] != b"Z" or not digits.isdigit():
            raise _broken(where, text[:16].hex(), "YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ")
        if self.tag == Tag.UTC_TIME:
            digits = (b"20" if digits < b"50" else b"19") + digits
        try:
            return datetime(
                int(digits[:4]),
                int(digits[4:6]),
                int(digits[6:8]),
                int(digits[8:10]),
                int(digits[10:12]),
                int(digits[12:]),
                tzinfo=UTC,
            )
        except ValueError as error:
            raise _broken(where, digits.decode("ascii"), "a time") from error


def _elements(raw: bytes, where: str, most: int = 0, *, only_first: bool = False) -> list[Element]:
    """Read elements to the end; one more than ``most`` (where not 0) is too many."""
    found: list[Element] = []
    at, end = 0, len(raw)
    while at < end:
        if most and len(found) == most:
            raise _broken(where, f"{end - at} bytes behind it", "one element")
        begin = at + 2
        if begin > end:
            raise _broken(where, "a cut element", "tag and length")
        tag, size = raw[at], raw[at + 1]
        if tag & 0x1F == 0x1F:
            raise _broken(where, "a tag of several bytes", "one byte")
        if size >= 0x80:
            count = size & 0x7F
            size = int.from_bytes(raw[begin : begin + count], "big")
            if not 1 <= count <= _MOST_LENGTH_BYTES or size < 0x80 or size < 1 << 8 * (count - 1):
                raise _broken(where, f"a length of {count} bytes", "the shortest form of a length")
            begin += count
        until = begin + size
        if until > end:
            raise _broken(where, f"{end - begin} bytes", f"{size} bytes")
        found.append(_element(Element, (tag, raw[begin:until], raw[at:until])))
        at = end if only_first else until
    return found


@lru_cache(maxsize=512)
def _dotted(content: bytes) -> str | None:
    """Write an OBJECT IDENTIFIER's content with dots; kept, since certificates repeat a few."""
    arcs: list[int] = []
    value, open_arc = 0, True
    for byte in content:
        if byte == 0x80 and not value:
            return None  # an arc in more bytes than it needs
        value = value << 7 | byte & 0x7F
        open_arc = byte >= 0x80
        if value >= _LARGEST_ARC:
            return None
        if not open_arc:
            arcs.append(value)
            value = 0
    if open_arc:
        return None
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _broken(where: str, got: str, want: str) -> PeerError:
    return PeerError(where, got=got, want=want, spec=_SPEC)
