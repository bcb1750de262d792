"""Certificates and lists of vendors that do not exist: for simulators, signed for real.

Names, dates, extensions and keys are what the caller says, right or wrong. Nothing here is for an
authority that anybody should trust (``x509`` has those).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from casemate.crypto.keys import PrivateKey, PublicKey

_DER: Final = serialization.Encoding.DER
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)

Name = Sequence[tuple[str, str]]
"""Attributes in order: dotted OID and text."""


class Validity(msgspec.Struct, frozen=True):
    """From when to when."""

    first: datetime
    last: datetime


class Issuer(msgspec.Struct, frozen=True):
    """Who signs: a name and a key. The key needs not be the name's."""

    name: Name
    key: PrivateKey


def certificate(
    subject: Name,
    key: PublicKey,
    issuer: Issuer,
    *,
    validity: Validity,
    serial: int,
    usages: Iterable[str],
    authority: bool | None = None,
    issuer_key: PublicKey | None = None,
    critical: str = "",
) -> bytes:
    """Make a certificate, DER, signed with SHA-256.

    Args:
        subject: its name.
        key: what it is of.
        issuer: who signs.
        validity: its dates.
        serial: its number.
        usages: key usages in the library's words, ``key_cert_sign`` for instance; critical.
        authority: basic constraints, critical; None leaves them out.
        issuer_key: whose identifier stands for the issuer's; its own unless given.
        critical: dotted OID of an empty critical extension that nobody understands.
    """
    allowed = set(usages)
    native: Any = key.native
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer.name))
        .public_key(native)
        .serial_number(serial)
        .not_valid_before(validity.first)
        .not_valid_after(validity.last)
        .add_extension(x509.KeyUsage(**{one: one in allowed for one in _USAGES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(native), critical=False)
        .add_extension(_authority_key(issuer_key or issuer.key.public), critical=False)
    )
    if critical:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(critical), b"")
        builder = builder.add_extension(unknown, critical=True)
    if authority is not None:
        constraints = x509.BasicConstraints(ca=authority, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    signer: Any = issuer.key.native
    return builder.sign(signer, hashes.SHA256()).public_bytes(_DER)


def revocation_list(issuer: Issuer, *, validity: Validity, revoked: Iterable[int] = ()) -> bytes:
    """Make a revocation list of these serial numbers, DER, signed with SHA-256."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_name(issuer.name))
        .last_update(validity.first)
        .next_update(validity.last)
        .add_extension(_authority_key(issuer.key.public), critical=False)
    )
    for serial in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(one.revocation_date(validity.first).build())
    signer: Any = issuer.key.native
    return builder.sign(signer, hashes.SHA256()).public_bytes(_DER)


def _authority_key(issuer: PublicKey) -> x509.AuthorityKeyIdentifier:
    native: Any = issuer.native
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(native)


def _name(parts: Name) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.ObjectIdentifier(oid), text) for oid, text in parts])
