"""Writing DER, for simulators: what ``der`` reads, and on request what it must refuse."""

from datetime import datetime
from typing import Final

from casemate.crypto.der import Tag

_LAST_UTC_TIME: Final = 2049


def element(tag: int, *parts: bytes) -> bytes:
    """Write an element whose content is the parts, one after the other."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    """Write a SEQUENCE."""
    return element(Tag.SEQUENCE, *parts)


def integer(value: int) -> bytes:
    """Write an INTEGER in its shortest form."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return element(Tag.INTEGER, value.to_bytes(size, "big", signed=True))


def boolean(*, value: bool) -> bytes:
    """Write a BOOLEAN."""
    return element(Tag.BOOLEAN, b"\xff" if value else b"\0")


def octets(content: bytes) -> bytes:
    """Write an OCTET STRING."""
    return element(Tag.OCTET_STRING, content)


def bits(content: bytes, *, unused: int = 0) -> bytes:
    """Write a BIT STRING; ``unused`` bits of its last byte do not count."""
    return element(Tag.BIT_STRING, bytes((unused,)), content)


def oid(dotted: str) -> bytes:
    """Write an OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = b""
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return element(Tag.OID, content)


def time(value: datetime) -> bytes:
    """Write a time of RFC 5280: UTCTime to 2049, GeneralizedTime after; ``value`` is in UTC."""
    if value.year <= _LAST_UTC_TIME:
        return element(Tag.UTC_TIME, value.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return element(Tag.GENERALIZED_TIME, value.strftime("%Y%m%d%H%M%SZ").encode("ascii"))
