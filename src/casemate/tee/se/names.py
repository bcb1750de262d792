"""Names in IBM's certificates: who signs host keys, and which differences mean nothing (tee §12).

The signing key's certificate and what it signed do not always agree on the town (Armonk or
Poughkeepsie) and on the order of attributes.
"""

from functools import lru_cache
from typing import Final

from casemate.crypto.certificate import Certificate
from casemate.crypto.der import Element, Tag
from casemate.errors import PeerError

Entries = tuple[tuple[str, bytes], ...]
"""OID and value of each attribute, in order."""

COUNTRY: Final = "2.5.4.6"
STATE: Final = "2.5.4.8"
TOWN: Final = "2.5.4.7"
ORGANISATION: Final = "2.5.4.10"
UNIT: Final = "2.5.4.11"
COMMON_NAME: Final = "2.5.4.3"

_IBM: Final = b"International Business Machines Corporation"
_TOWNS: Final = (b"Armonk", b"Poughkeepsie")
_SIGNER: Final = {
    COUNTRY: (b"US",),
    STATE: (b"New York",),
    TOWN: _TOWNS,
    ORGANISATION: (_IBM,),
    COMMON_NAME: (_IBM,),
}
_UNIT_END: Final = b"Key Signing Service"


@lru_cache(maxsize=256)
def entries(name: bytes) -> Entries:
    """Read a distinguished name (DER); kept, since the few names come again and again.

    Raises:
        PeerError: it is no name.
    """
    where = "name"
    found = []
    for group in Element.parse(name, where).expect(Tag.SEQUENCE, where).children(where):
        for pair in group.expect(Tag.SET, where).children(where):
            parts = pair.children(where)
            if len(parts) != 2:
                raise PeerError(where, got=f"{len(parts)} parts", want="OID and value")
            found.append((parts[0].oid(where), parts[1].content))
    return tuple(found)


def is_signer(certificate: Certificate) -> bool:
    """Say whether the subject is one of IBM's key signing services; PeerError if it is no name."""
    found = entries(certificate.subject)
    values = dict(found)
    return (
        len(found) == len(values) == len(_SIGNER) + 1
        and all(values.get(oid) in allowed for oid, allowed in _SIGNER.items())
        and values.get(UNIT, b"").endswith(_UNIT_END)
    )


def same(one: bytes, other: bytes) -> bool:
    """Say whether two names (DER) mean the same: in any order, and either town.

    Raises:
        PeerError: one is no name.
    """
    return _plain(one) == _plain(other)


def text(name: bytes) -> str:
    """Write a name for a message: unit and town, which is where IBM's names differ."""
    values = dict(entries(name))
    parts = [values[oid].decode("utf-8", "replace") for oid in (UNIT, TOWN) if oid in values]
    return ", ".join(parts) or "nobody"


def _plain(name: bytes) -> list[tuple[str, bytes]]:
    return sorted(
        (oid, _TOWNS[0] if oid == TOWN and value in _TOWNS else value)
        for oid, value in entries(name)
    )
