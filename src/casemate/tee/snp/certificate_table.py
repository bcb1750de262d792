"""Certificates that a host passes on with an extended report: a table of GUIDs, then the pieces.

An entry is GUID (16 bytes, in the order they are written) ‖ offset u32 ‖ length u32, little-endian,
offsets from the table's begin; a GUID of zeros closes it (tee §3.4). The guest reads this, and
sends what it finds; nobody trusts it.
"""

import struct
from collections.abc import Iterable
from typing import Final

from casemate.errors import PeerError
from casemate.tee.snp.evidence import CertificateEntry, CertificateKind, OtherKind


def guid(text: str) -> bytes:
    """Read a GUID as people write it: 16 bytes, in the order of its digits.

    Raises:
        PeerError: it is none.
    """
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        raw = b""
    if len(raw) != _GUID_SIZE or text.lower() != _written(raw):
        raise PeerError("certificate table", got=text, want="a GUID", spec=_SPEC)
    return raw


def _written(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


_GUID_SIZE: Final = 16
_SPEC: Final = "tee §3.4"
GUIDS: Final[dict[CertificateKind, bytes]] = {
    "ARK": guid("c0b406a4-a803-4952-9743-3fb6014cd0ae"),
    "ASK": guid("4ab7b379-bbac-4fe4-a02f-05aef327c782"),
    "VCEK": guid("63da758d-e664-4564-adc5-f4b93be8accd"),
    "VLEK": guid("a8074bc2-a25a-483e-aae6-39c045a0b8a1"),
    "CRL": guid("92f81bc3-5811-4d3d-97ff-d19f88dc67ea"),
}
LARGEST: Final = 1 << 20
"""Bytes of a table that are read."""
MOST: Final = 64
"""Pieces of a table."""

_ENTRY: Final = struct.Struct("<16sII")
_END: Final = bytes(16)
_KINDS: Final = {raw: kind for kind, raw in GUIDS.items()}


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
        kind, offset, length = _ENTRY.unpack_from(raw, at)
        if kind == _END:
            return tuple(found)
        if len(found) == MOST:
            raise PeerError(where, got=f"more than {MOST} pieces", want="fewer", spec=_SPEC)
        if offset + length > len(raw):
            raise PeerError(
                where, got=f"a piece to {offset + length}", want=f"{len(raw)} bytes", spec=_SPEC
            )
        found.append(CertificateEntry.of(_kind(kind), raw[offset : offset + length]))
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


def _kind(raw: bytes) -> CertificateKind | OtherKind:
    return _KINDS.get(raw) or OtherKind(_written(raw))


def _guid(kind: CertificateKind | OtherKind) -> bytes:
    return guid(kind.other) if isinstance(kind, OtherKind) else GUIDS[kind]
