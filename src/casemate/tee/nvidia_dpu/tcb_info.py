"""DICE TcbInfo (TCG DICE Attestation Architecture, section 6.1): which firmware a layer runs.

    TcbInfo ::= SEQUENCE { ..., fwids [6] IMPLICIT SEQUENCE OF FWID OPTIONAL, ... }
    FWID    ::= SEQUENCE { hashAlg OBJECT IDENTIFIER, digest OCTET STRING }

Upstream's reader wants one SEQUENCE more inside [6]; both forms are read here.
"""

import hashlib
from typing import Final

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.der import Element, Tag
from casemate.errors import PeerError

OID: Final = "2.23.133.5.4.1"
FWIDS: Final = 0xA6
MOST_LAYERS: Final = 64
_SPEC: Final = "tee §14"
_SIZES: Final = {
    "2.16.840.1.101.3.4.2.1": ("sha256", 32),
    "2.16.840.1.101.3.4.2.2": ("sha384", 48),
    "2.16.840.1.101.3.4.2.3": ("sha512", 64),
}


class FirmwareId(msgspec.Struct, frozen=True):
    """The digest of a layer's firmware."""

    algorithm: str
    """sha256, sha384 or sha512."""
    digest: bytes


def layers(certificate: Certificate) -> tuple[FirmwareId, ...]:
    """Read the firmware ids of a certificate, the first layer first; none without the extension.

    Raises:
        PeerError: the extension is there and cannot be read, or has too many.
    """
    where = "TcbInfo"
    extension = certificate.extensions.get(OID)
    if extension is None:
        return ()
    members = Element.parse(extension.value, where).expect(Tag.SEQUENCE, where).children(where)
    lists = [one for one in members if one.tag == FWIDS]
    if len(lists) > 1:
        raise PeerError(where, got="several lists of firmware ids", want="one", spec=_SPEC)
    found = [_firmware_id(one) for fwids in lists for one in _elements(fwids)]
    if len(found) > MOST_LAYERS:
        raise PeerError(where, got=f"{len(found)} layers", want=f"{MOST_LAYERS}", spec=_SPEC)
    return tuple(found)


def accumulated(found: tuple[FirmwareId, ...]) -> bytes:
    """Hash all digests, joined, with SHA-384: 48 bytes."""
    return hashlib.sha384(b"".join(one.digest for one in found)).digest()


def _elements(fwids: Element) -> list[Element]:
    """Give the ids, whether they stand in [6] or in a SEQUENCE within it."""
    inside = fwids.children("TcbInfo")
    if len(inside) == 1 and inside[0].content[:1] == bytes([Tag.SEQUENCE]):
        return inside[0].children("TcbInfo")
    return inside


def _firmware_id(element: Element) -> FirmwareId:
    where = "TcbInfo: firmware id"
    parts = element.expect(Tag.SEQUENCE, where).children(where)
    if len(parts) != 2:
        raise PeerError(where, got=f"{len(parts)} parts", want="algorithm and digest", spec=_SPEC)
    oid = parts[0].oid(where)
    digest = parts[1].expect(Tag.OCTET_STRING, where).content
    name, size = _SIZES.get(oid, (oid, -1))
    if len(digest) != size:
        raise PeerError(
            where, got=f"{len(digest)} bytes of {name}", want="a whole SHA-2 digest", spec=_SPEC
        )
    return FirmwareId(name, digest)
