"""Public keys out of JWKs: sizes, curves and ranges are verified here (RFC 7518 §6, RFC 8037)."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from casemate.crypto import base64url
from casemate.crypto.algorithms import CURVES, LARGEST_RSA, SMALLEST_RSA, coordinate_size
from casemate.crypto.jwk import EcJwk, Jwk, OkpJwk, RsaJwk
from casemate.errors import InputError

Native = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
"""The library's public keys, those kinds that we use."""


def native(jwk: Jwk) -> Native:
    """Read a JWK; InputError when a coordinate has the wrong size or the point is off curve."""
    match jwk:
        case EcJwk():
            return _ec_from_jwk(jwk)
        case RsaJwk():
            return _rsa_from_jwk(jwk)
        case OkpJwk():
            return _okp_from_jwk(jwk)


def encode_uint(number: int) -> str:
    """Write a number as JWKs do: big-endian, no leading zero, base64url."""
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
    if not 1 << (SMALLEST_RSA - 1) <= n < 1 << LARGEST_RSA:
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
