"""OCSP (RFC 6960): what an authority says of one certificate, now. Asked, read and verified."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

import msgspec

from casemate.crypto import der_encoding as der
from casemate.crypto.certificate import Certificate, SignatureAlgorithm, signature_algorithm
from casemate.crypto.der import Element, Tag
from casemate.errors import PeerError

LARGEST: Final = 16 * 1024
"""Bytes of DER that are looked at."""

_SPEC: Final = "RFC 6960"
_BASIC: Final = "1.3.6.1.5.5.7.48.1.1"
_EXTENDED_KEY_USAGE: Final = "2.5.29.37"
_OCSP_SIGNING: Final = "1.3.6.1.5.5.7.3.9"
_HASHES: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_MOST: Final = 32
"""Statements and certificates of one answer."""


class Status(StrEnum):
    """What is said of a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


_STATUSES: Final = {0x80: Status.GOOD, 0xA1: Status.REVOKED, 0x82: Status.UNKNOWN}


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate's status."""

    hash_name: str
    issuer_name: bytes
    """Hash of the issuer's name."""
    issuer_key: bytes
    """Hash of the issuer's key."""
    serial: int
    status: Status
    this_update: datetime
    next_update: datetime | None

    def is_about(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Say whether it speaks of a certificate of this issuer."""
        return (
            self.serial == certificate.serial
            and self.issuer_name == hashlib.new(self.hash_name, issuer.subject).digest()
            and self.issuer_key == hashlib.new(self.hash_name, key_bits(issuer)).digest()
        )

    def holds(self, at: datetime) -> bool:
        """Say whether it is in time: from its update to its next, which it must have."""
        return self.next_update is not None and self.this_update <= at <= self.next_update


class Answer:
    """A successful answer. Equal when its bytes are."""

    def __init__(self, raw: bytes) -> None:
        """Read it.

        Raises:
            PeerError: no OCSP answer, or one that says the question failed.
        """
        where = "OCSP answer"
        if len(raw) > LARGEST:
            raise PeerError(where, got=f"{len(raw)} bytes", want=f"at most {LARGEST}")
        self.der = raw
        outer = Element.parse(raw, where).expect(Tag.SEQUENCE, where).children(where)
        status = outer[0].integer(where) if outer else -1
        if status != 0 or len(outer) != 2:
            raise PeerError(where, got=f"status {status}", want="0, successful", spec=_SPEC)
        wrapped = Element.parse(outer[1].expect(0xA0, where).content, where)
        parts = wrapped.expect(Tag.SEQUENCE, where).children(where)
        if len(parts) != 2 or parts[0].oid(where) != _BASIC:
            raise PeerError(where, got="another form", want="a basic answer", spec=_SPEC)
        self._read_basic(parts[1].expect(Tag.OCTET_STRING, where).content)

    def _read_basic(self, raw: bytes) -> None:
        where = "OCSP answer"
        parts = Element.parse(raw, where).expect(Tag.SEQUENCE, where).children(where)
        if not 3 <= len(parts) <= 4:
            raise PeerError(where, got=f"{len(parts)} parts", want="three or four", spec=_SPEC)
        self.signed = parts[0].whole
        self.algorithm: SignatureAlgorithm = signature_algorithm(parts[1].whole, where)
        self.signature = parts[2].bits(where)
        self.certificates = _certificates(parts[3]) if len(parts) == 4 else ()
        self.statements = _statements(parts[0].expect(Tag.SEQUENCE, where).children(where))

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read DER of at most 16 KiB; PeerError when it is no successful answer."""
        return cls(raw)

    def signed_for(self, issuer: Certificate, at: datetime) -> bool:
        """Say whether the issuer signed, or somebody whom it certified for that, valid then."""
        delegates = (
            one
            for one in self.certificates
            if one.issuer == issuer.subject
            and one.not_before <= at <= one.not_after
            and _may_answer(one)
            and one.signed_by(issuer)
        )
        return any(self._signed_by(one) for one in (issuer, *delegates))

    def _signed_by(self, signer: Certificate) -> bool:
        return signer.made(self.signature, self.algorithm, self.signed)


def question(certificate: Certificate, issuer: Certificate) -> bytes:
    """Ask for a certificate's status: an OCSPRequest, DER, with SHA-256."""
    name = hashlib.sha256(issuer.subject).digest()
    key = hashlib.sha256(key_bits(issuer)).digest()
    algorithm = der.sequence(der.oid(_SHA256), der.element(Tag.NULL))
    identifier = der.sequence(
        algorithm, der.octets(name), der.octets(key), der.integer(certificate.serial)
    )
    return der.sequence(der.sequence(der.sequence(der.sequence(identifier))))


def key_bits(certificate: Certificate) -> bytes:
    """Give the content of a certificate's public key, without its algorithm.

    Raises:
        PeerError: it cannot be read.
    """
    where = "public key"
    parts = Element.parse(certificate.spki, where).children(where)
    if len(parts) != 2:
        raise PeerError(where, got=f"{len(parts)} parts", want="two", spec=_SPEC)
    return parts[1].bits(where)


def _may_answer(one: Certificate) -> bool:
    where = "extended key usage"
    extension = one.extensions.get(_EXTENDED_KEY_USAGE)
    if extension is None:
        return False
    usages = Element.parse(extension.value, where).expect(Tag.SEQUENCE, where).children(where)
    return any(usage.oid(where) == _OCSP_SIGNING for usage in usages)


def _certificates(part: Element) -> tuple[Certificate, ...]:
    where = "certificates of an OCSP answer"
    found = Element.parse(part.expect(0xA0, where).content, where).children(where)
    return tuple(Certificate.parse(one.whole) for one in found[:_MOST])


def _statements(parts: list[Element]) -> tuple[Statement, ...]:
    where = "OCSP answer"
    if parts and parts[0].tag == 0xA0:
        parts = parts[1:]  # version
    if len(parts) < 3:
        raise PeerError(where, got=f"{len(parts)} fields", want="responder, time, statements")
    return tuple(_statement(one) for one in parts[2].expect(Tag.SEQUENCE, where).children(where))


def _statement(element: Element) -> Statement:
    where = "statement of an OCSP answer"
    parts = element.expect(Tag.SEQUENCE, where).children(where)
    if len(parts) < 3 or parts[1].tag not in _STATUSES:
        raise PeerError(where, got="another form", want="identifier, status, time", spec=_SPEC)
    identifier = parts[0].expect(Tag.SEQUENCE, where).children(where)
    if len(identifier) != 4:
        raise PeerError(where, got=f"{len(identifier)} fields", want="four", spec=_SPEC)
    algorithm, name, key, serial = identifier
    names = algorithm.children(where)
    hash_name = _HASHES.get(names[0].oid(where)) if names else None
    if hash_name is None:
        raise PeerError(where, got="another hash", want="SHA-1 or SHA-2", spec=_SPEC)
    following = [part for part in parts[3:] if part.tag == 0xA0]
    return Statement(
        hash_name=hash_name,
        issuer_name=name.expect(Tag.OCTET_STRING, where).content,
        issuer_key=key.expect(Tag.OCTET_STRING, where).content,
        serial=serial.integer(where),
        status=_STATUSES[parts[1].tag],
        this_update=parts[2].time(where),
        next_update=(Element.parse(following[0].content, where).time(where) if following else None),
    )
