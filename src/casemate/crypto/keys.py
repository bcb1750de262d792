"""Asymmetric keys: made, read, written, signing and verifying. Two types, five kinds."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, Self, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from casemate.crypto import base64url
from casemate.crypto.jwk import EcJwk, Jwk, OkpJwk, RsaJwk
from casemate.errors import InputError, Refusal, VerificationError
from casemate.secret import Secret


class Kind(StrEnum):
    """Kinds of key; the elliptic ones in JOSE's spelling of their curve."""

    P256 = "P-256"
    P384 = "P-384"
    P521 = "P-521"
    ED25519 = "Ed25519"
    RSA = "RSA"


CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
"""NIST curves by JOSE name; coordinates take 32, 48 and 66 bytes."""

_CURVE_NAMES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_SMALLEST_RSA: Final = 2048
_LARGEST_RSA: Final = 8192
_LARGEST_PEM: Final = 64 * 1024

_EC_HASHES: Final[dict[str, tuple[str, hashes.HashAlgorithm]]] = {
    "ES256": ("P-256", hashes.SHA256()),
    "ES384": ("P-384", hashes.SHA384()),
    "ES512": ("P-521", hashes.SHA512()),
}
_RSA_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}

_Public = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
_Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def _kind(key: Any, where: str) -> Kind:
    match key:
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey() if (
            key.curve.name in _CURVE_NAMES
        ):
            return Kind(_CURVE_NAMES[key.curve.name])
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return Kind.ED25519
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey() if (
            _SMALLEST_RSA <= key.key_size <= _LARGEST_RSA
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


def _bad_signature(algorithm: str, got: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="signature",
            claim=f"{algorithm} signature",
            got=got,
            expected="a signature by the expected key",
            rule="RFC 7518 §3",
            remedy="Sign with the key whose public half the verifier holds.",
        )
    )


@final
class PublicKey:
    """A public key that is well formed: on its curve, or an RSA modulus of 2048 to 8192 bits."""

    __slots__ = ("_key", "kind")

    def __init__(self, key: _Public) -> None:
        self.kind = _kind(key, "public key")
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read SubjectPublicKeyInfo PEM; InputError when it is anything else."""
        where = "public key PEM"
        return cls(_loaded(lambda: serialization.load_pem_public_key(_bounded(pem, where)), where))

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read SubjectPublicKeyInfo DER; InputError when it is anything else."""
        where = "public key DER"
        return cls(_loaded(lambda: serialization.load_der_public_key(_bounded(der, where)), where))

    @classmethod
    def from_jwk(cls, jwk: Jwk) -> Self:
        """Read a JWK; InputError when a coordinate has the wrong size or the point is off curve."""
        match jwk:
            case EcJwk():
                return cls(_ec_from_jwk(jwk))
            case RsaJwk():
                return cls(_rsa_from_jwk(jwk))
            case OkpJwk():
                return cls(_okp_from_jwk(jwk))

    @property
    def native(self) -> _Public:
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
                return RsaJwk(n=_uint(n_e.n), e=_uint(n_e.e), **named)

    def verify(self, signature: bytes, message: bytes, algorithm: str) -> None:
        """Verify a JOSE signature (RFC 7518 §3): for ES*, ``r || s`` of fixed size.

        Raises:
            InputError: ``algorithm`` is unknown or not for this kind of key.
            VerificationError: the signature is not by this key over this message.
        """
        try:
            self._verify(signature, message, algorithm)
        except InvalidSignature as error:
            raise _bad_signature(algorithm, "one that does not verify") from error

    def verify_der(self, signature: bytes, message: bytes, hash_name: str = "sha256") -> None:
        """Verify an X.509-style signature: ECDSA as DER, RSA as PKCS#1 v1.5, or Ed25519.

        Raises: as ``verify``.
        """
        digest = _hash(hash_name)
        try:
            match self._key:
                case ec.EllipticCurvePublicKey() as key:
                    key.verify(signature, message, ec.ECDSA(digest))
                case rsa.RSAPublicKey() as key_rsa:
                    key_rsa.verify(signature, message, padding.PKCS1v15(), digest)
                case ed25519.Ed25519PublicKey() as edwards:
                    edwards.verify(signature, message)
        except InvalidSignature as error:
            raise _bad_signature(hash_name, "one that does not verify") from error

    def _verify(self, signature: bytes, message: bytes, algorithm: str) -> None:
        match self._key:
            case ec.EllipticCurvePublicKey() as key:
                digest = _ec_hash(algorithm, self.kind)
                key.verify(_ecdsa_der(signature, key.curve, algorithm), message, ec.ECDSA(digest))
            case ed25519.Ed25519PublicKey() as edwards:
                _require(algorithm, {"EdDSA", "Ed25519"}, self.kind)
                edwards.verify(signature, message)
            case rsa.RSAPublicKey() as key_rsa:
                pad, digest = _rsa_scheme(algorithm)
                key_rsa.verify(signature, message, pad, digest)

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
                digest = _ec_hash(name, self.kind)
                r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
                size = coordinate_size(key.curve)
                return r.to_bytes(size, "big") + s.to_bytes(size, "big")
            case ed25519.Ed25519PrivateKey() as edwards:
                _require(name, {"EdDSA", "Ed25519"}, self.kind)
                return edwards.sign(message)
            case rsa.RSAPrivateKey() as key_rsa:
                pad, digest = _rsa_scheme(name)
                return key_rsa.sign(message, pad, digest)

    def sign_der(self, message: bytes, hash_name: str = "sha256") -> bytes:
        """Sign in X.509's form: ECDSA as DER, RSA as PKCS#1 v1.5, or Ed25519."""
        digest = _hash(hash_name)
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


def coordinate_size(curve: ec.EllipticCurve) -> int:
    """Size of a coordinate, in bytes: 32, 48 or 66."""
    return (curve.key_size + 7) // 8


def _uint(number: int) -> str:
    return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _coordinate(text: str, size: int, name: str) -> int:
    data = base64url.decode(text, where=f"jwk.{name}")
    if len(data) != size:
        raise InputError(f"jwk.{name}", got=f"{len(data)} bytes", want=f"{size} bytes")
    return int.from_bytes(data, "big")


def _ec_from_jwk(jwk: EcJwk) -> ec.EllipticCurvePublicKey:
    if jwk.crv not in CURVES:
        raise InputError("jwk.crv", got=jwk.crv, want=", ".join(CURVES), spec="RFC 7518 §6.2")
    curve = CURVES[jwk.crv]
    size = coordinate_size(curve)
    numbers = ec.EllipticCurvePublicNumbers(
        _coordinate(jwk.x, size, "x"), _coordinate(jwk.y, size, "y"), curve
    )
    try:
        return numbers.public_key()
    except ValueError as error:
        raise InputError("jwk", got="a point off the curve", want=f"a {jwk.crv} point") from error


def _rsa_from_jwk(jwk: RsaJwk) -> rsa.RSAPublicKey:
    n = int.from_bytes(base64url.decode(jwk.n[:2048], where="jwk.n"), "big")
    e = int.from_bytes(base64url.decode(jwk.e[:16], where="jwk.e"), "big")
    if not 1 << (_SMALLEST_RSA - 1) <= n < 1 << _LARGEST_RSA:
        raise InputError("jwk.n", got=f"{n.bit_length()} bits", want="2048 to 8192 bits")
    try:
        return rsa.RSAPublicNumbers(e, n).public_key()
    except ValueError as error:
        raise InputError("jwk", got="a bad modulus or exponent", want="an RSA key") from error


def _okp_from_jwk(jwk: OkpJwk) -> ed25519.Ed25519PublicKey:
    data = base64url.decode(jwk.x[:64], where="jwk.x")
    if jwk.crv != "Ed25519" or len(data) != 32:
        raise InputError("jwk", got=f"{jwk.crv}, {len(data)} bytes", want="Ed25519, 32 bytes")
    return ed25519.Ed25519PublicKey.from_public_bytes(data)


def _require(algorithm: str, allowed: set[str], kind: Kind) -> None:
    if algorithm not in allowed:
        raise InputError(
            "signature algorithm", got=algorithm, want=f"one for a {kind} key", spec="RFC 7518 §3.1"
        )


def _ec_hash(algorithm: str, kind: Kind) -> hashes.HashAlgorithm:
    curve, digest = _EC_HASHES.get(algorithm, ("", hashes.SHA256()))
    _require(algorithm, {algorithm} if curve == kind.value else set(), kind)
    return digest


def _rsa_scheme(algorithm: str) -> tuple[padding.AsymmetricPadding, hashes.HashAlgorithm]:
    digest = _RSA_HASHES.get(algorithm[2:])
    if digest is None or algorithm[:2] not in {"RS", "PS"}:
        raise InputError("signature algorithm", got=algorithm, want="one for an RSA key")
    if algorithm.startswith("PS"):
        return padding.PSS(padding.MGF1(digest), digest.digest_size), digest
    return padding.PKCS1v15(), digest


def _hash(name: str) -> hashes.HashAlgorithm:
    if name not in _HASHES:
        raise InputError("hash of a signature", got=name, want=", ".join(_HASHES))
    return _HASHES[name]


def _ecdsa_der(signature: bytes, curve: ec.EllipticCurve, algorithm: str) -> bytes:
    size = coordinate_size(curve)
    if len(signature) != 2 * size:
        raise _bad_signature(algorithm, f"{len(signature)} bytes")
    return utils.encode_dss_signature(
        int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    )
