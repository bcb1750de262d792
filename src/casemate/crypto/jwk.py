"""JSON Web Keys (RFC 7517, 7518 §6), the members that our protocols give a meaning."""

from typing import Final

import msgspec

UNNAMED: Final = msgspec.UNSET


class EcJwk(msgspec.Struct, frozen=True, tag_field="kty", tag="EC", omit_defaults=True):
    """Elliptic-curve key: ``x`` and ``y`` are fixed-size big-endian coordinates in base64url."""

    crv: str
    x: str
    y: str
    alg: str | msgspec.UnsetType = UNNAMED
    kid: str | msgspec.UnsetType = UNNAMED
    x5u: str | msgspec.UnsetType = UNNAMED
    x5c: tuple[str, ...] | msgspec.UnsetType = UNNAMED


class RsaJwk(msgspec.Struct, frozen=True, tag_field="kty", tag="RSA", omit_defaults=True):
    """RSA key: modulus ``n`` and exponent ``e``, big-endian, base64url."""

    n: str
    e: str
    alg: str | msgspec.UnsetType = UNNAMED
    kid: str | msgspec.UnsetType = UNNAMED
    x5u: str | msgspec.UnsetType = UNNAMED
    x5c: tuple[str, ...] | msgspec.UnsetType = UNNAMED


class OkpJwk(msgspec.Struct, frozen=True, tag_field="kty", tag="OKP", omit_defaults=True):
    """Edwards-curve key (RFC 8037): ``x`` is the 32-byte public key in base64url."""

    crv: str
    x: str
    alg: str | msgspec.UnsetType = UNNAMED
    kid: str | msgspec.UnsetType = UNNAMED
    x5u: str | msgspec.UnsetType = UNNAMED
    x5c: tuple[str, ...] | msgspec.UnsetType = UNNAMED


Jwk = EcJwk | RsaJwk | OkpJwk


class EcTeeKey(msgspec.Struct, frozen=True, tag_field="kty", tag="EC"):
    """TEE key on P-256 or P-521, ``alg`` ECDH-ES+A256KW (trustee spec §3.5)."""

    crv: str
    alg: str
    x: str
    y: str


class RsaTeeKey(msgspec.Struct, frozen=True, tag_field="kty", tag="RSA"):
    """RSA TEE key, ``alg`` RSA-OAEP-256 or the deprecated RSA1_5 (trustee spec §3.5)."""

    alg: str
    n: str
    e: str


class KemTeeKey(msgspec.Struct, frozen=True, tag_field="kty", tag="AKP"):
    """ML-KEM TEE key (trustee spec §3.5): read and bound to evidence, never wrapped to."""

    alg: str
    pub: str


TeePublicKey = EcTeeKey | RsaTeeKey | KemTeeKey
"""A key that secrets are sealed to. Just these members are bound to evidence, no others."""
