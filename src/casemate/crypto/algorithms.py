"""Curves, hashes and paddings by the names that JOSE gives their combinations (RFC 7518 §3)."""

from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from casemate.errors import InputError, Refusal, VerificationError


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

CURVE_NAMES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}

SMALLEST_RSA: Final = 2048
LARGEST_RSA: Final = 8192
"""Bits of a modulus."""

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


def coordinate_size(curve: ec.EllipticCurve) -> int:
    """Size of a coordinate, in bytes: 32, 48 or 66."""
    return (curve.key_size + 7) // 8


def require_algorithm(algorithm: str, allowed: set[str], kind: Kind) -> None:
    """Refuse an algorithm that is not for this kind of key (InputError)."""
    if algorithm not in allowed:
        raise InputError(
            "signature algorithm", got=algorithm, want=f"one for a {kind} key", spec="RFC 7518 §3.1"
        )


def ec_hash(algorithm: str, kind: Kind) -> hashes.HashAlgorithm:
    """Give the hash of ES256, ES384 or ES512; InputError for another, or another curve."""
    curve, digest = _EC_HASHES.get(algorithm, ("", hashes.SHA256()))
    require_algorithm(algorithm, {algorithm} if curve == kind.value else set(), kind)
    return digest


def rsa_scheme(algorithm: str) -> tuple[padding.AsymmetricPadding, hashes.HashAlgorithm]:
    """Give padding and hash of RS* or PS*; InputError for another."""
    digest = _RSA_HASHES.get(algorithm[2:])
    if digest is None or algorithm[:2] not in {"RS", "PS"}:
        raise InputError("signature algorithm", got=algorithm, want="one for an RSA key")
    if algorithm.startswith("PS"):
        return padding.PSS(padding.MGF1(digest), digest.digest_size), digest
    return padding.PKCS1v15(), digest


def hash_of(name: str) -> hashes.HashAlgorithm:
    """Give sha256, sha384 or sha512; InputError for another."""
    if name not in _HASHES:
        raise InputError("hash of a signature", got=name, want=", ".join(_HASHES))
    return _HASHES[name]


def ecdsa_der(signature: bytes, curve: ec.EllipticCurve, algorithm: str) -> bytes:
    """Turn ``r || s`` into DER; VerificationError when it has another size."""
    size = coordinate_size(curve)
    if len(signature) != 2 * size:
        raise bad_signature(algorithm, f"{len(signature)} bytes")
    return utils.encode_dss_signature(
        int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    )


def bad_signature(algorithm: str, got: str) -> VerificationError:
    """Make the error of a signature that does not verify."""
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
