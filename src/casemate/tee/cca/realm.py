"""Claims of the realm token: what was started, what was measured since, and whose key signs."""

import hashlib
from typing import Final, Self

import msgspec

from casemate.crypto import cbor, cose
from casemate.crypto.algorithms import Kind
from casemate.crypto.keys import PublicKey
from casemate.tee.cca.claim import (
    Claim,
    data,
    hash_name,
    measurement,
    one_of,
    read_claims,
    several,
)

PROFILE: Final = "tag:arm.com,2023:realm#1.0.0"
CHALLENGE_SIZE: Final = 64
"""Bytes: report data padded with zeros."""
EXTENSIBLE: Final = 4
_HASHLIB: Final = {"sha-256": "sha256", "sha-512": "sha512"}

REALM: Final = (
    Claim(
        265,
        "profile",
        "cca-realm-profile",
        one_of(PROFILE),
        "which form the claims have; absent in the first one",
        optional=True,
    ),
    Claim(10, "challenge", "cca-realm-challenge", data(64), "report data"),
    Claim(
        44235,
        "personalization",
        "cca-realm-personalization-value",
        data(64),
        "given at the start of the realm: init data",
    ),
    Claim(
        44238,
        "initial",
        "cca-realm-initial-measurement",
        measurement,
        "what was in memory at the start",
    ),
    Claim(
        44239,
        "extensible",
        "cca-realm-extensible-measurements",
        several(EXTENSIBLE),
        "what was measured since, 4 registers",
    ),
    Claim(44236, "hash_name", "cca-realm-hash-algo-id", hash_name, "algorithm of the measurements"),
    Claim(44237, "key", "cca-realm-public-key", data(), "key that signs the realm token"),
    Claim(
        44240,
        "key_hash_name",
        "cca-realm-public-key-hash-algo-id",
        hash_name,
        "algorithm that binds the key to the platform token",
    ),
)
"""Claims of the realm (tee §9)."""


class Realm(msgspec.Struct, frozen=True, kw_only=True):
    """The realm's claims, read; who signed them is the verifier's question."""

    challenge: bytes
    """64 bytes."""
    personalization: bytes
    """64 bytes."""
    initial: bytes
    """32, 48 or 64 bytes."""
    extensible: tuple[bytes, ...]
    """4 of 32, 48 or 64 bytes."""
    hash_name: str
    key: bytes
    """COSE_Key with a profile, else a P-384 point of 97 bytes."""
    key_hash_name: str
    profile: str | None = None

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read the payload of a realm token.

        Raises:
            PeerError: a claim is missing, or of another form; unknown claims are passed over.
        """
        where = "realm token"
        return cls(**read_claims(cbor.decode(payload, where), REALM, where))

    def encode(self) -> bytes:
        """Write the payload."""
        found = {claim.key: getattr(self, claim.field) for claim in REALM}
        return cbor.encode({key: value for key, value in found.items() if value is not None})

    def public_key(self) -> PublicKey:
        """Read the key, in the form that the profile says.

        Raises:
            PeerError: another form, or a point off its curve.
        """
        where = "realm token: cca-realm-public-key"
        if self.profile is None:
            return cose.read_point(self.key, Kind.P384, where)
        return cose.read_key(self.key, where)

    def key_digest(self) -> bytes:
        """Hash the key as it stands in the token, with the algorithm that the token names."""
        return hashlib.new(_HASHLIB[self.key_hash_name], self.key).digest()
