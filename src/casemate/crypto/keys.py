"""Asymmetric keys: made, read, written, signing and verifying. Two types, five kinds."""

from collections.abc import Callable
from typing import Any, Final, Self, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from casemate.crypto import base64url, ecdsa
from casemate.crypto.algorithms import (
    CURVE_NAMES,
    CURVES,
    LARGEST_RSA,
    SMALLEST_RSA,
    Kind,
    bad_signature,
    coordinate_size,
    ec_hash,
    ecdsa_der,
    hash_of,
    require_algorithm,
    rsa_scheme,
)
from casemate.crypto.jwk import EcJwk, Jwk, OkpJwk, RsaJwk
from casemate.crypto.jwk_keys import Native, encode_uint, native
from casemate.errors import InputError, PeerError
from casemate.secret import Secret

__all__ = ["CURVES", "Kind", "PrivateKey", "PublicKey"]

_LARGEST_PEM: Final = 64 * 1024

_Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def _kind(key: Any, where: str) -> Kind:
    match key:
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey() if (
            key.curve.name in CURVE_NAMES
        ):
            return Kind(CURVE_NAMES[key.curve.name])
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return Kind.ED25519
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey() if (
            SMALLEST_RSA <= key.key_size <= LARGEST_RSA
        ):
            return Kind.RSA
    raise InputError(where, got=type(key).__name__, want="P-256/384/521, Ed25519, RSA 2048 to 8192")


def _loaded(load: Callable[[], Any], where: str) -> Any:
    try:
        return load()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(where, got=type(error).__name__, want="a readable, plain key") from error


def _bounded(pem: bytes, where: str) -> bytes:
    if len(pem) > _LARGEST_PEM:
        raise InputError(where, got=f"{len(pem)} bytes", want="at most 64 KiB")
    return pem


@final
class PublicKey:
    """A public key that is well formed: on its curve, or an RSA modulus of 2048 to 8192 bits."""

    __slots__ = ("_der", "_key", "kind")

    def __init__(self, key: Native) -> None:
        self.kind = _kind(key, "public key")
        self._key = key
        self._der: bytes | None = None

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read SubjectPublicKeyInfo PEM; InputError when it is anything else."""
        where = "public key PEM"
        return cls(_loaded(lambda: serialization.load_pem_public_key(_bounded(pem, where)), where))

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read SubjectPublicKeyInfo DER; InputError when it is anything else."""
        from casemate.crypto.public_key_info import require_usual

        where = "public key DER"
        try:
            require_usual(_bounded(der, where), where)
        except PeerError as error:
            raise InputError(where, got=error.got, want=error.want, spec=error.spec) from error
        read = cls(_loaded(lambda: serialization.load_der_public_key(_bounded(der, where)), where))
        read._der = der
        return read

    @classmethod
    def from_jwk(cls, jwk: Jwk) -> Self:
        """Read a JWK; InputError when a coordinate has the wrong size or the point is off curve."""
        return cls(native(jwk))

    @property
    def native(self) -> Native:
        """The library's object; for crypto/ alone."""
        return self._key

    def pem(self) -> bytes:
        """SubjectPublicKeyInfo PEM."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def der(self) -> bytes:
        """SubjectPublicKeyInfo DER."""
        return self._key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def jwk(self, *, alg: str | None = None) -> Jwk:
        """Write as a JWK; ``alg`` is added when given."""
        named: dict[str, Any] = {} if alg is None else {"alg": alg}
        match self._key:
            case ec.EllipticCurvePublicKey() as key:
                numbers, size = key.public_numbers(), coordinate_size(key.curve)
                return EcJwk(
                    crv=self.kind.value,
                    x=base64url.encode(numbers.x.to_bytes(size, "big")),
                    y=base64url.encode(numbers.y.to_bytes(size, "big")),
                    **named,
                )
            case ed25519.Ed25519PublicKey() as edwards:
                return OkpJwk(
                    crv="Ed25519", x=base64url.encode(edwards.public_bytes_raw()), **named
                )
            case rsa.RSAPublicKey() as key_rsa:
                n_e = key_rsa.public_numbers()
                return RsaJwk(n=encode_uint(n_e.n), e=encode_uint(n_e.e), **named)

    def verify(self, signature: bytes, message: bytes, algorithm: str) -> None:
        """Verify a JOSE signature (RFC 7518 §3): for ES*, ``r || s`` of fixed size.

        Raises:
            InputError: ``algorithm`` is unknown or not for this kind of key.
            VerificationError: the signature is not by this key over this message.
        """
        try:
            self._verify(signature, message, algorithm)
        except InvalidSignature as error:
            raise bad_signature(algorithm, "one that does not verify") from error

    def verify_der(self, signature: bytes, message: bytes, hash_name: str = "sha256") -> None:
        """Verify an X.509-style signature: ECDSA as DER, RSA as PKCS#1 v1.5, or Ed25519.

        Raises: as ``verify``.
        """
        digest = hash_of(hash_name)
        try:
            match self._key:
                case ec.EllipticCurvePublicKey() as key:
                    ecdsa.verify(key, self._spki, signature, message, digest)
                case rsa.RSAPublicKey() as key_rsa:
                    key_rsa.verify(signature, message, padding.PKCS1v15(), digest)
                case ed25519.Ed25519PublicKey() as edwards:
                    edwards.verify(signature, message)
        except InvalidSignature as error:
            raise bad_signature(hash_name, "one that does not verify") from error

    def _verify(self, signature: bytes, message: bytes, algorithm: str) -> None:
        match self._key:
            case ec.EllipticCurvePublicKey() as key:
                digest = ec_hash(algorithm, self.kind)
                numbers = ecdsa_der(signature, key.curve, algorithm)
                ecdsa.verify(key, self._spki, numbers, message, digest)
            case ed25519.Ed25519PublicKey() as edwards:
                require_algorithm(algorithm, {"EdDSA", "Ed25519"}, self.kind)
                edwards.verify(signature, message)
            case rsa.RSAPublicKey() as key_rsa:
                pad, digest = rsa_scheme(algorithm)
                key_rsa.verify(signature, message, pad, digest)

    @property
    def _spki(self) -> bytes:
        """As ``der``, or as it was read; kept, since writing it costs as much as a tenth of use."""
        if self._der is None:
            self._der = self.der()
        return self._der

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self.der())

    def __repr__(self) -> str:
        return f"PublicKey({self.kind})"


@final
class PrivateKey:
    """A private key. Nothing of it shows in ``repr``; PEM leaves only as a Secret."""

    __slots__ = ("_key", "kind")

    def __init__(self, key: _Private) -> None:
        self.kind = _kind(key, "private key")
        self._key = key

    @classmethod
    def generate(cls, kind: Kind, *, bits: int = 3072) -> Self:
        """Make a fresh key; ``bits`` is the modulus size of an RSA key."""
        match kind:
            case Kind.ED25519:
                return cls(ed25519.Ed25519PrivateKey.generate())
            case Kind.RSA:
                return cls(rsa.generate_private_key(65537, bits))
            case _:
                return cls(ec.generate_private_key(CURVES[kind]))

    @classmethod
    def from_pem(cls, pem: bytes | Secret) -> Self:
        """Read an unencrypted PEM: PKCS#8, SEC1 or PKCS#1; InputError when it is anything else."""
        where = "private key PEM"
        data = pem.reveal() if isinstance(pem, Secret) else pem
        return cls(
            _loaded(lambda: serialization.load_pem_private_key(_bounded(data, where), None), where)
        )

    @classmethod
    def from_scalar(cls, scalar: bytes | Secret, kind: Kind) -> Self:
        """Read the private number of an elliptic key, big-endian, as wide as its curve.

        Raises:
            InputError: another width, zero, or not below the curve's order.
        """
        curve = CURVES[kind.value]
        raw = scalar.reveal() if isinstance(scalar, Secret) else scalar
        if len(raw) != coordinate_size(curve):
            raise InputError(
                "private key", got=f"{len(raw)} bytes", want=f"{coordinate_size(curve)} bytes"
            )
        try:
            return cls(ec.derive_private_key(int.from_bytes(raw, "big"), curve))
        except ValueError as error:
            raise InputError("private key", got="a number", want=f"one of {kind}") from error

    @property
    def native(self) -> _Private:
        """The library's object; for crypto/ alone."""
        return self._key

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(self._key.public_key())

    def pem(self) -> Secret:
        """PKCS#8 PEM, unencrypted."""
        return Secret(
            self._key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def token_pem(self) -> Secret:
        """PEM as holders of tokens expect it: PKCS#1 for RSA, else PKCS#8 (agent spec §4.4)."""
        if self.kind is not Kind.RSA:
            return self.pem()
        return Secret(
            self._key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )

    @property
    def algorithm(self) -> str:
        """The JOSE algorithm this kind signs with when nobody asks for another."""
        return {
            Kind.P256: "ES256",
            Kind.P384: "ES384",
            Kind.P521: "ES512",
            Kind.ED25519: "EdDSA",
            Kind.RSA: "RS256",
        }[self.kind]

    def sign(self, message: bytes, algorithm: str | None = None) -> bytes:
        """Sign in JOSE form (RFC 7518 §3): for ES*, ``r || s`` of fixed size.

        Raises:
            InputError: ``algorithm`` is unknown or not for this kind of key.
        """
        name = self.algorithm if algorithm is None else algorithm
        match self._key:
            case ec.EllipticCurvePrivateKey() as key:
                digest = ec_hash(name, self.kind)
                r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
                size = coordinate_size(key.curve)
                return r.to_bytes(size, "big") + s.to_bytes(size, "big")
            case ed25519.Ed25519PrivateKey() as edwards:
                require_algorithm(name, {"EdDSA", "Ed25519"}, self.kind)
                return edwards.sign(message)
            case rsa.RSAPrivateKey() as key_rsa:
                pad, digest = rsa_scheme(name)
                return key_rsa.sign(message, pad, digest)

    def sign_der(self, message: bytes, hash_name: str = "sha256") -> bytes:
        """Sign in X.509's form: ECDSA as DER, RSA as PKCS#1 v1.5, or Ed25519."""
        digest = hash_of(hash_name)
        match self._key:
            case ec.EllipticCurvePrivateKey() as key:
                return key.sign(message, ec.ECDSA(digest))
            case rsa.RSAPrivateKey() as key_rsa:
                return key_rsa.sign(message, padding.PKCS1v15(), digest)
            case ed25519.Ed25519PrivateKey() as edwards:
                return edwards.sign(message)

    def __repr__(self) -> str:
        return f"PrivateKey({self.kind})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a PrivateKey is not pickled")
