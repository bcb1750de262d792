"""The small authorities this project runs: made, kept, and issuing leaves for one purpose each.

An authority signs with EC P-256 and SHA-256. Every leaf carries exactly one critical extended key
usage, so that a certificate made for one purpose never passes for another (RFC 5280 4.2.1.12);
``x509`` verifies what they issue.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final, Self

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from casemate.crypto.public_key_info import require_usual
from casemate.crypto.x509 import UNREADABLE, Usage
from casemate.errors import InputError, PeerError
from casemate.secret import Secret

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=365)
_CLOCK_SKEW: Final = timedelta(hours=1)


class Issued(msgspec.Struct, frozen=True):
    """A fresh leaf: its certificate, and its private key as PKCS#8 PEM."""

    certificate_pem: bytes
    key_pem: Secret


class CertificateAuthority:
    """A self-signed authority and its private key (EC P-256)."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def create(
        cls,
        common_name: str,
        *,
        lifetime: timedelta = AUTHORITY_LIFETIME,
        now: datetime | None = None,
    ) -> Self:
        """Generate a key and sign it with itself. ``now`` is the system's clock unless given."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        usage = _key_usage(signs_certificates=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = (
            _builder(name, name, key.public_key(), lifetime, now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(identifier, critical=False)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: Secret | bytes) -> Self:
        """Take up an authority that was stored.

        Raises:
            InputError: unreadable PEM, a key of another kind, or a key of another certificate.
        """
        raw = key_pem.reveal() if isinstance(key_pem, Secret) else key_pem
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            key = serialization.load_pem_private_key(raw, password=None)
        except UNREADABLE as error:
            raise InputError(
                "certificate authority", got="unreadable PEM", want="a certificate and its key"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InputError("key of the authority", got=type(key).__name__, want="an EC key")
        if key.public_key() != certificate.public_key():
            raise InputError(
                "key of the authority", got="another key", want="the key of its certificate"
            )
        return cls(certificate, key)

    @property
    def certificate_pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate_der(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> Secret:
        return _private_pem(self._key)

    def issue_server(
        self,
        common_name: str,
        names: Sequence[str],
        *,
        lifetime: timedelta = LEAF_LIFETIME,
        now: datetime | None = None,
    ) -> Issued:
        """Make a key and a TLS server certificate for ``names``: DNS names or IP addresses.

        Raises:
            InputError: a name that is neither.
        """
        return self._issue_with_key(common_name, Usage.SERVER, names, lifetime, now)

    def issue_client(
        self,
        common_name: str,
        *,
        lifetime: timedelta = LEAF_LIFETIME,
        now: datetime | None = None,
    ) -> Issued:
        """Make a key and a TLS client certificate."""
        return self._issue_with_key(common_name, Usage.CLIENT, (), lifetime, now)

    def issue_for_public_key(
        self,
        spki_der: bytes,
        common_name: str,
        usage: Usage,
        *,
        lifetime: timedelta = LEAF_LIFETIME,
        now: datetime | None = None,
    ) -> bytes:
        """Certify somebody else's public key (SubjectPublicKeyInfo, DER). Gives PEM.

        Raises:
            InputError: not a public key that a certificate can carry.
        """
        key = _public_key(spki_der)
        certificate = self._sign(key, common_name, usage, (), lifetime=lifetime, now=now)
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _issue_with_key(
        self,
        common_name: str,
        usage: Usage,
        names: Sequence[str],
        lifetime: timedelta,
        now: datetime | None,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            key.public_key(), common_name, usage, names, lifetime=lifetime, now=now
        )
        return Issued(certificate.public_bytes(serialization.Encoding.PEM), _private_pem(key))

    def _sign(
        self,
        key: CertificatePublicKeyTypes,
        common_name: str,
        usage: Usage,
        names: Sequence[str],
        *,
        lifetime: timedelta,
        now: datetime | None,
    ) -> x509.Certificate:
        subject = _name(common_name)
        ours = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ours.value)
        purpose = x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage.value)])
        builder = (
            _builder(subject, self._certificate.subject, key, lifetime, now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(purpose, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(authority, critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(n) for n in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _public_key(spki_der: bytes) -> CertificatePublicKeyTypes:
    try:
        require_usual(spki_der, "public key")
        key = serialization.load_der_public_key(spki_der)
    except (ValueError, UnsupportedAlgorithm, PeerError) as error:
        raise InputError("public key", got="unreadable DER", want="SubjectPublicKeyInfo") from error
    return key  # type: ignore[return-value]  # the builder refuses kinds it cannot carry


_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_LIKE_IP: Final = re.compile(r"(?:[0-9]+\.)+[0-9]+$")
_LONGEST_HOST: Final = 253


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        if len(name) > _LONGEST_HOST or _HOST.fullmatch(name) is None or _LIKE_IP.match(name):
            raise InputError(
                "server name",
                got=name,
                want="an IP address, or a DNS name: letters, digits, hyphens, no dot at its end",
                spec="RFC 5280 §4.2.1.6",
            ) from None
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    lifetime: timedelta,
    now: datetime | None,
) -> x509.CertificateBuilder:
    moment = now if now is not None else datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _CLOCK_SKEW)
        .not_valid_after(moment + lifetime)
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> Secret:
    return Secret(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
