"""X.509 certificates of vendors, read into a frozen type; and one signature checked with another.

Nothing here trusts anything: ``vendor_chain`` does. The chains of our own small authorities stay
with the cryptography library (``x509``).
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from casemate.crypto import ecdsa
from casemate.crypto.der import Element, Tag
from casemate.crypto.public_key_info import require_usual
from casemate.errors import PeerError

LARGEST: Final = 16 * 1024
"""Bytes of DER that are looked at."""

_SPEC: Final = "RFC 5280"
_LONGEST_ALGORITHM: Final = 1024
_LONGEST_SALT: Final = 512
_LONGEST_NAME: Final = 4096
_COMMON_NAME: Final = "2.5.4.3"
_KEY_USAGE: Final = "2.5.29.15"
_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_PSS: Final = "1.2.840.113549.1.1.10"
_PKCS1: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_ECDSA: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}


class Extension(NamedTuple):
    """An extension: its value (DER, unwrapped from OCTET STRING), and whether it is critical."""

    value: bytes
    critical: bool


class SignatureAlgorithm:
    """How something was signed: the OID, and for RSASSA-PSS its parameters."""

    def __init__(self, element: Element, where: str) -> None:
        parts = element.expect(Tag.SEQUENCE, where).children(where)
        if not 1 <= len(parts) <= 2:
            raise PeerError(where, got=f"{len(parts)} parts", want="OID and parameters", spec=_SPEC)
        self.oid = parts[0].oid(where)
        self.parameters = parts[1] if len(parts) > 1 else None

    def verify(self, key: Any, spki: bytes, signature: bytes, message: bytes) -> bool:
        """Say whether ``signature`` is by ``key`` (of the library) over ``message``.

        ``spki`` is the same key in DER. An algorithm or a key of another kind than RSA and ECDSA
        gives False.
        """
        try:
            match key:
                case rsa.RSAPublicKey() if self.oid == _PSS:
                    digest, salt = self._pss
                    scheme = padding.PSS(padding.MGF1(digest), salt)
                    key.verify(signature, message, scheme, digest)
                case rsa.RSAPublicKey() if self.oid in _PKCS1:
                    key.verify(signature, message, padding.PKCS1v15(), _PKCS1[self.oid])
                case ec.EllipticCurvePublicKey() if self.oid in _ECDSA:
                    ecdsa.verify(key, spki, signature, message, _ECDSA[self.oid])
                case _:
                    return False
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, PeerError):
            return False
        return True

    @cached_property
    def _pss(self) -> tuple[hashes.HashAlgorithm, int]:
        """RFC 4055 section 3.1: hash [0], mask generation [1] with the same hash, salt [2]."""
        where = "RSASSA-PSS parameters"
        parts = self.parameters.children(where) if self.parameters else []
        given = {part.tag: Element.parse(part.content, where) for part in parts}
        if not {0xA0, 0xA1, 0xA2} <= given.keys():
            raise PeerError(where, got="defaults (SHA-1)", want="hash, mask and salt", spec=_SPEC)
        name, mask = given[0xA0].children(where), given[0xA1].children(where)
        inner = mask[1].children(where) if len(mask) == 2 else []
        digest = _HASHES.get(name[0].oid(where)) if name else None
        if digest is None or not inner or inner[0] != name[0]:
            raise PeerError(where, got="other hashes", want="one SHA-2 for both", spec=_SPEC)
        salt = given[0xA2].integer(where)
        if not 0 <= salt <= _LONGEST_SALT:
            raise PeerError(where, got=f"salt of {salt} bytes", want="a short one", spec=_SPEC)
        return digest, salt


@lru_cache(maxsize=256)
def signature_algorithm(der: bytes, where: str) -> SignatureAlgorithm:
    """Read an AlgorithmIdentifier; kept, since there are few.

    Raises:
        PeerError: it is none.
    """
    if len(der) > _LONGEST_ALGORITHM:
        raise PeerError(where, got=f"algorithm of {len(der)} bytes", want="OID and parameters")
    return SignatureAlgorithm(Element.parse(der, where), where)


class Certificate:
    """A certificate's facts. Equal when its bytes are. Without a common name it is empty."""

    def __init__(self, der: bytes) -> None:
        where = "certificate"
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
        where = "certificate"
        if parts and parts[0].tag == 0xA0:
            parts = parts[1:]  # version; 1 has no extensions, and what needs them finds none
        if len(parts) < 6:
            raise PeerError(where, got=f"{len(parts)} fields", want="six or more", spec=_SPEC)
        serial, algorithm, issuer, validity, subject, key = parts[:6]
        if algorithm.whole != outer_algorithm:
            raise PeerError(where, got="two signature algorithms", want="one", spec=_SPEC)
        self.serial = serial.integer("serial number")
        self.issuer = issuer.whole
        self.subject = subject.whole
        self.issuer_common_name = name_parts(self.issuer).get(_COMMON_NAME, "")
        self.common_name = name_parts(self.subject).get(_COMMON_NAME, "")
        times = validity.expect(Tag.SEQUENCE, "validity").children("validity")
        if len(times) != 2:
            raise PeerError("validity", got=f"{len(times)} times", want="two", spec=_SPEC)
        self.not_before: datetime = times[0].time("not before")
        self.not_after: datetime = times[1].time("not after")
        self.spki = key.expect(Tag.SEQUENCE, "public key").whole
        self._rest = tuple(parts[6:])

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """Read DER of at most 16 KiB.

        Raises:
            PeerError: it is no certificate.
        """
        return cls(der)

    @cached_property
    def extensions(self) -> Mapping[str, Extension]:
        """Extensions by OID, read when somebody looks at them.

        Raises:
            PeerError: they cannot be read, or one is there twice.
        """
        return read_extensions(self._rest, 0xA3)

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of the DER, 32 bytes."""
        return hashlib.sha256(self.der).digest()

    @property
    def key(self) -> Any:
        """The public key, of the cryptography library; for crypto/ alone.

        Raises:
            PeerError: unreadable or of a kind that nobody uses.
        """
        return load_key(self.spki)

    @cached_property
    def is_authority(self) -> bool:
        """Basic constraints say so, and key usage, where given, allows signing certificates."""
        return self._constraints[0] and self.may(5)

    @cached_property
    def path_length(self) -> int | None:
        """How many authorities may stand below this one; None when it does not say."""
        return self._constraints[1]

    def may(self, bit: int) -> bool:
        """Say whether key usage, where it is given, has a bit (RFC 5280 4.2.1.3; 0 is first)."""
        usage = self.extensions.get(_KEY_USAGE)
        if usage is None:
            return True
        content = (
            Element.parse(usage.value, "key usage").expect(Tag.BIT_STRING, "key usage").content
        )
        at, shift = divmod(bit, 8)
        return len(content) > at + 1 and bool(content[at + 1] >> (7 - shift) & 1)

    def signed_by(self, issuer: "Certificate") -> bool:
        """Say whether the issuer's key made this signature. Names and rights are not looked at."""
        return issuer.made(self.signature, self.algorithm, self.signed)

    def made(self, signature: bytes, algorithm: SignatureAlgorithm, message: bytes) -> bool:
        """Say whether this certificate's key made a signature; not where it cannot be read."""
        try:
            key = self.key
        except PeerError:
            return False
        return algorithm.verify(key, self.spki, signature, message)

    @cached_property
    def is_self_signed(self) -> bool:
        """Its own key made its signature: a fact of these bytes, so it is found out once."""
        return self.signed_by(self)

    @cached_property
    def _constraints(self) -> tuple[bool, int | None]:
        where = "basic constraints"
        extension = self.extensions.get(_BASIC_CONSTRAINTS)
        if extension is None:
            return False, None
        parts = Element.parse(extension.value, where).expect(Tag.SEQUENCE, where).children(where)
        authority = bool(parts) and parts[0].tag == Tag.BOOLEAN and parts[0].boolean(where)
        numbers = [part.integer(where) for part in parts if part.tag == Tag.INTEGER]
        return authority, numbers[0] if numbers else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"Certificate({self.common_name or self.fingerprint.hex()[:16]})"


@lru_cache(maxsize=256)
def load_key(spki: bytes) -> Any:
    """Read a SubjectPublicKeyInfo; kept, since the few keys of vendors come again and again.

    Raises:
        PeerError: unreadable, or of a kind that nobody uses.
    """
    require_usual(spki, "public key")
    try:
        return serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PeerError("public key", got="unreadable", want="RSA or EC", spec=_SPEC) from error


@lru_cache(maxsize=256)
def _name_parts(name: bytes) -> Mapping[str, str]:
    where = "name"
    found = {}
    for group in Element.parse(name, where).expect(Tag.SEQUENCE, where).children(where):
        for pair in group.expect(Tag.SET, where).children(where):
            parts = pair.children(where)
            if len(parts) != 2:
                raise PeerError(where, got=f"{len(parts)} parts", want="OID and text", spec=_SPEC)
            found[parts[0].oid(where)] = parts[1].content.decode("utf-8", "replace")
    return MappingProxyType(found)


def name_parts(name: bytes) -> Mapping[str, str]:
    """Read a distinguished name (DER): OID → text; of several with one OID, the last.

    Raises:
        PeerError: it is no name, or one of more than 4 KiB.
    """
    if len(name) > _LONGEST_NAME:
        raise PeerError("name", got=f"{len(name)} bytes", want=f"at most {_LONGEST_NAME}")
    return _name_parts(name)


def read_extensions(parts: Iterable[Element], tag: int) -> Mapping[str, Extension]:
    """Read the extensions among the last fields of a certificate (tag 0xA3) or a list (0xA0).

    Raises:
        PeerError: they cannot be read, or one is there twice.
    """
    where = "extensions"
    found: dict[str, Extension] = {}
    for part in parts:
        if part.tag != tag:
            continue  # unique identifiers of version 2: nobody uses them
        for one in Element.parse(part.content, where).children(where):
            fields = one.expect(Tag.SEQUENCE, where).children(where)
            match fields:
                case [name, value]:
                    critical = False
                case [name, flag, value]:
                    critical = flag.boolean(where)
                case _:
                    raise PeerError(
                        where, got=f"{len(fields)} fields", want="two or three", spec=_SPEC
                    )
            oid = name.oid(where)
            if oid in found:
                raise PeerError(where, got=f"{oid} twice", want="each once", spec=_SPEC)
            found[oid] = Extension(value.expect(Tag.OCTET_STRING, where).content, critical)
    return MappingProxyType(found)
