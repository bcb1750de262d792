"""Certificate revocation lists of vendors (RFC 5280 section 5), read into a frozen type."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Final, Self

from casemate.crypto.certificate import (
    Certificate,
    Extension,
    name_parts,
    read_extensions,
    signature_algorithm,
)
from casemate.crypto.der import Element, Tag
from casemate.errors import PeerError

LARGEST: Final = 1 << 20
"""Bytes of DER that are looked at."""

_SPEC: Final = "RFC 5280 section 5"
_COMMON_NAME: Final = "2.5.4.3"
_NUMBER: Final = "2.5.29.20"
_DELTA: Final = "2.5.29.27"
_DISTRIBUTION_POINT: Final = "2.5.29.28"
_POINT_NAME: Final = 0xA0
_UNDERSTOOD: Final = frozenset({_NUMBER, "2.5.29.35"})
_TIMES: Final = frozenset({Tag.UTC_TIME, Tag.GENERALIZED_TIME})


class RevocationList:
    """A list's facts: who issued it, for which time, and which serial numbers it revokes."""

    def __init__(self, der: bytes) -> None:
        where = "revocation list"
        if len(der) > LARGEST:
            raise PeerError(where, got=f"{len(der)} bytes", want=f"at most {LARGEST}")
        self.der = der
        parts = Element.parse(der, where).expect(Tag.SEQUENCE, where).children(where)
        if len(parts) != 3:
            raise PeerError(where, got=f"{len(parts)} parts", want="three", spec=_SPEC)
        self.signed = parts[0].whole
        self.algorithm = signature_algorithm(parts[1].whole, where)
        self.signature = parts[2].bits(where)
        self._read_body(parts[0].expect(Tag.SEQUENCE, where).children(where), parts[1].whole)

    def _read_body(self, parts: list[Element], outer_algorithm: bytes) -> None:
        where = "revocation list"
        if parts and parts[0].tag == Tag.INTEGER:
            parts = parts[1:]
        if len(parts) < 3:
            raise PeerError(where, got=f"{len(parts)} fields", want="three or more", spec=_SPEC)
        if parts[0].whole != outer_algorithm:
            raise PeerError(where, got="two signature algorithms", want="one", spec=_SPEC)
        self.issuer = parts[1].whole
        self.issuer_common_name = name_parts(self.issuer).get(_COMMON_NAME, "")
        self.this_update: datetime = parts[2].time("this update")
        rest = parts[3:]
        self.next_update: datetime | None = None
        if rest and rest[0].tag in _TIMES:
            self.next_update = rest[0].time("next update")
            rest = rest[1:]
        self.revoked: frozenset[int] = frozenset()
        if rest and rest[0].tag == Tag.SEQUENCE:
            entries = rest[0].children(where)
            self.revoked = frozenset(entry.first(where).integer(where) for entry in entries)
            rest = rest[1:]
        extensions = read_extensions(rest, 0xA0)
        self.number = _number(extensions)
        self.is_partial = _is_partial(extensions)
        """It tells of some of the issuer's certificates only, or in a way that nobody knows: it
        can accuse, but clear nobody."""

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """Read DER of at most 1 MiB.

        Raises:
            PeerError: it is no revocation list.
        """
        return cls(der)

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of the DER, 32 bytes."""
        return hashlib.sha256(self.der).digest()

    def signed_by(self, issuer: Certificate) -> bool:
        """Say whether the issuer's key, allowed to sign lists, made this signature."""
        return issuer.may(6) and self.signed_with(issuer)

    def signed_with(self, issuer: Certificate) -> bool:
        """Say whether the issuer's key made this signature, whatever its key usage allows.

        For vendors whose lists are signed by a key that was only allowed to sign: IBM's host keys.
        """
        return issuer.made(self.signature, self.algorithm, self.signed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RevocationList) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"RevocationList({self.issuer_common_name}, {len(self.revoked)} revoked)"


def _number(extensions: Mapping[str, Extension]) -> int | None:
    found = extensions.get(_NUMBER)
    where = "number of a revocation list"
    return Element.parse(found.value, where).integer(where) if found else None


def _is_partial(extensions: Mapping[str, Extension]) -> bool:
    """Say whether a list may leave out what its issuer revoked (RFC 5280 sections 5.2.4, 5.2.5)."""
    where = "distribution point of a revocation list"
    for oid, extension in extensions.items():
        if oid == _DISTRIBUTION_POINT:
            parts = Element.parse(extension.value, where).children(where)
            if any(part.tag != _POINT_NAME for part in parts):
                return True
        elif oid == _DELTA or (extension.critical and oid not in _UNDERSTOOD):
            return True
    return False
