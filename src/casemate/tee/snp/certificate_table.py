"""Certificates that a host passes on with an extended report: a table of GUIDs, then the pieces.

An entry is GUID (16 bytes, in the order they are written) ‖ offset u32 ‖ length u32, little-endian,
offsets from the table's begin; a GUID of zeros closes it (tee §3.4). The guest reads this, and
sends what it finds; nobody trusts it.
"""

import struct
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from casemate.errors import PeerError
from casemate.tee.snp.evidence import CertificateEntry, CertificateKind, OtherKind

GUIDS: Final[dict[CertificateKind, bytes]] = {
    "ARK": UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae").bytes,
    "ASK": UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782").bytes,
    "VCEK": UUID("63da758d-e664-4564-adc5-f4b93be8accd").bytes,
    "VLEK": UUID("a8074bc2-a25a-483e-aae6-39c045a0b8a1").bytes,
    "CRL": UUID("92f81bc3-5811-4d3d-97ff-d19f88dc67ea").bytes,
}
LARGEST: Final = 1 << 20
"""Bytes of a table that are read."""
MOST: Final = 64
"""Pieces of a table."""

_ENTRY: Final = struct.Struct("<16sII")
_END: Final = bytes(16)
_KINDS: Final = {guid: kind for kind, guid in GUIDS.items()}
_SPEC: Final = "tee §3.4"


def parse(raw: bytes) -> tuple[CertificateEntry, ...]:
    """Read a table; what follows the pieces (pages are padded) is passed over.

    Raises:
        PeerError: it is too large or has too many pieces, is not closed, or a piece lies outside.
    """
    where = "certificate table"
    if len(raw) > LARGEST:
        raise PeerError(where, got=f"{len(raw)} bytes", want=f"at most {LARGEST}", spec=_SPEC)
    found: list[CertificateEntry] = []
    for at in range(0, len(raw) - _ENTRY.size + 1, _ENTRY.size):
        guid, offset, length = _ENTRY.unpack_from(raw, at)
        if guid == _END:
            return tuple(found)
        if len(found) == MOST:
            raise PeerError(where, got=f"more than {MOST} pieces", want="fewer", spec=_SPEC)
        if offset + length > len(raw):
            raise PeerError(
                where, got=f"a piece to {offset + length}", want=f"{len(raw)} bytes", spec=_SPEC
            )
        found.append(CertificateEntry.of(_kind(guid), raw[offset : offset + length]))
    raise PeerError(where, got="no end", want="a GUID of zeros at the end", spec=_SPEC)


def encode(pieces: Iterable[tuple[CertificateKind | OtherKind, bytes]]) -> bytes:
    """Write a table, the pieces one behind the other."""
    given = list(pieces)
    offset = (len(given) + 1) * _ENTRY.size
    header, bodies = b"", b""
    for kind, body in given:
        header += _ENTRY.pack(_guid(kind), offset + len(bodies), len(body))
        bodies += body
    return header + bytes(_ENTRY.size) + bodies


def _kind(guid: bytes) -> CertificateKind | OtherKind:
    return _KINDS.get(guid) or OtherKind(str(UUID(bytes=guid)))


def _guid(kind: CertificateKind | OtherKind) -> bytes:
    if isinstance(kind, OtherKind):
        return UUID(kind.other).bytes
    return GUIDS[kind]
