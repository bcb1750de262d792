"""X.509: chains verified to a configured anchor, as ``authority`` issues them.

Every leaf carries exactly one critical extended key usage, so that a certificate made for one
purpose never passes for another (RFC 5280 4.2.1.12).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from casemate.crypto.certificate import Certificate
from casemate.crypto.public_key_info import require_usual
from casemate.errors import InputError, PeerError, Refusal, VerificationError

_LONGEST_CHAIN: Final = 5
_LARGEST_CERTIFICATE: Final = 16 * 1024  # bytes of DER
_SPEC: Final = "RFC 5280 section 6"

UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises over bytes that are no certificate: half of them are no ValueError."""

_E = TypeVar("_E", bound=x509.ExtensionType)

_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    }
)


class Usage(StrEnum):
    """What a leaf is for; the value is the extended key usage's dotted OID."""

    SERVER = ExtendedKeyUsageOID.SERVER_AUTH.dotted_string
    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string
    ATTESTATION_KEY = "2.23.133.8.3"
    """TCG ``tcg-kp-AIKCertificate``: the key signs quotes of a TPM and nothing else."""
    DOCUMENT = "1.3.6.1.5.5.7.3.36"
    """RFC 9336 ``id-kp-documentSigning``: the key signs attestation results."""


class CertificateFacts(msgspec.Struct, frozen=True):
    """What a verified certificate says. Only ``verify_chain`` makes one from foreign bytes."""

    common_name: str
    public_key_der: bytes
    """SubjectPublicKeyInfo, DER."""
    serial: int
    not_before: datetime
    not_after: datetime
    issuer: str
    """Common name of the certificate that signed it."""
    anchor_sha256: bytes
    """SHA-256 of the anchor's DER, 32 bytes: which configured authority vouched."""


def split_pem(pem: bytes | str) -> list[bytes]:
    """Read every certificate of a PEM bundle, as DER.

    Raises:
        InputError: unreadable, or no certificate in it.
    """
    raw = pem.encode() if isinstance(pem, str) else pem
    try:
        found = x509.load_pem_x509_certificates(raw)
    except UNREADABLE as error:
        raise InputError(
            "certificates", got="unreadable PEM", want="one or more certificates"
        ) from error
    return [certificate.public_bytes(serialization.Encoding.DER) for certificate in found]


def verify_chain(
    leaf_der: bytes,
    intermediates: Sequence[bytes],
    anchors: Iterable[bytes],
    *,
    at: datetime,
    usage: Usage,
) -> CertificateFacts:
    """Verify that ``leaf_der`` chains to one of ``anchors`` and is meant for ``usage`` (all DER).

    The order of ``intermediates`` does not matter. Revocation is left out: our authorities issue
    for one pod or one stack, and a list would come from the host that is not trusted.

    Raises:
        VerificationError: unreadable, expired, not signed by an anchor, wrong usage, or carrying
            a critical extension this code does not understand.
        InputError: an anchor is unreadable.
    """
    leaf = _foreign_certificate(leaf_der)
    _verify_leaf_usage(leaf, usage)
    trusted = [_anchor(der) for der in anchors]
    pool = [_foreign_certificate(der) for der in intermediates[:_LONGEST_CHAIN]]
    current = leaf
    issuer: x509.Certificate | None = None
    for depth in range(_LONGEST_CHAIN):
        _verify_dates(current, at)
        _verify_critical_extensions(current)
        anchor = next((a for a in trusted if _signed_by(current, a)), None)
        parent = anchor or next((c for c in pool if _signed_by(current, c)), None)
        if parent is None:
            break
        issuer = issuer or parent
        _verify_authority(parent, below=depth)
        if anchor is not None:
            _verify_dates(anchor, at)
            return _facts(leaf, issuer, anchor)
        current = parent
    raise _refused(
        leaf,
        got=f"issued by {_text(current.issuer)}",
        expected="a chain to one of " + (", ".join(_text(a.subject) for a in trusted) or "none"),
        remedy="configure the authority that issued it, or use a certificate of a configured one",
    )


def _verify_leaf_usage(leaf: x509.Certificate, usage: Usage) -> None:
    purposes = _extension(leaf, x509.ExtendedKeyUsage)
    found = [oid.dotted_string for oid in purposes] if purposes else []
    if found != [usage.value]:
        raise _refused(
            leaf,
            got=f"extended key usage {found}",
            expected=f"exactly {usage.name} ({usage.value})",
            remedy="a certificate serves only the purpose it was issued for",
        )
    constraints = _extension(leaf, x509.BasicConstraints)
    bits = _extension(leaf, x509.KeyUsage)
    if (constraints and constraints.ca) or (bits and not bits.digital_signature):
        raise _refused(leaf, got="an authority", expected="a leaf that may sign", remedy="")


def _verify_authority(certificate: x509.Certificate, *, below: int) -> None:
    constraints = _extension(certificate, x509.BasicConstraints)
    bits = _extension(certificate, x509.KeyUsage)
    longest = constraints.path_length if constraints else 0
    if (
        constraints is None
        or not constraints.ca
        or bits is None
        or not bits.key_cert_sign
        or (longest is not None and below > longest)
    ):
        raise _refused(
            certificate,
            got="a certificate that must not sign this one",
            expected="an authority",
            remedy="",
        )


def _verify_dates(certificate: x509.Certificate, at: datetime) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= at <= last:
        raise _refused(
            certificate,
            got=f"time {at.isoformat()}",
            expected=f"between {first.isoformat()} and {last.isoformat()}",
            remedy="renew the certificate, or mend the clock",
        )


def _verify_critical_extensions(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise _refused(
                certificate,
                got=f"critical extension {extension.oid.dotted_string}",
                expected="only extensions that are understood",
                remedy="",
            )


def _signed_by(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _facts(
    leaf: x509.Certificate, issuer: x509.Certificate, anchor: x509.Certificate
) -> CertificateFacts:
    return CertificateFacts(
        common_name=_text(leaf.subject),
        public_key_der=_spki(leaf),
        serial=leaf.serial_number,
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        issuer=_text(issuer.subject),
        anchor_sha256=anchor.fingerprint(hashes.SHA256()),
    )


def _foreign_certificate(der: bytes) -> x509.Certificate:
    """Parse a certificate wholly, so that later accesses cannot fail.

    Ours is the stricter parser: one certificate has one encoding, to the last bit.
    """
    try:
        read = Certificate.parse(der)
        require_usual(read.spki, "public key")
        _ = read.extensions
        certificate = x509.load_der_x509_certificate(der[:_LARGEST_CERTIFICATE])
        _ = certificate.extensions, certificate.subject, certificate.issuer, _spki(certificate)
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (*UNREADABLE, PeerError) as error:
        raise VerificationError(
            Refusal(
                step="certificate",
                claim="certificate",
                got=f"{len(der)} unreadable bytes",
                expected=f"an X.509 certificate of at most {_LARGEST_CERTIFICATE} bytes, DER",
                rule=_SPEC,
                remedy="",
            )
        ) from error
    return certificate


def _anchor(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        raise InputError("trust anchor", got="unreadable DER", want="a certificate") from error


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _refused(
    certificate: x509.Certificate, *, got: str, expected: str, remedy: str
) -> VerificationError:
    return VerificationError(
        Refusal(
            step="certificate",
            claim=f"certificate of {_text(certificate.subject)}",
            got=got,
            expected=expected,
            rule=_SPEC,
            remedy=remedy,
        )
    )


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _text(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
