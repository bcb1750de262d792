"""Claims of the platform token: which machine, which firmware, in which phase of its life."""

from typing import Final, Self

import msgspec

from casemate.crypto import cbor
from casemate.errors import PeerError
from casemate.tee.cca.claim import (
    Claim,
    data,
    hash_name,
    measurement,
    number,
    one_of,
    read_claims,
    text,
)

LEGACY_PROFILE: Final = "http://arm.com/CCA-SSD/1.0.0"
PROFILE: Final = "tag:arm.com,2023:cca_platform#1.0.0"
"""Of draft-ffm-rats-cca-token; its realm token names a profile too."""

STATES: Final = {
    0x00: "unknown",
    0x10: "assembly and test",
    0x20: "provisioning of the platform's root of trust",
    0x30: "secured",
    0x40: "debugging of what is not CCA's",
    0x50: "recoverable debugging of CCA's",
    0x60: "decommissioned",
}
"""Upper byte of the life cycle (RMM specification, platform lifecycle claim)."""
SECURED: Final = 0x30
DEBUG: Final = frozenset({0x40, 0x50})

COMPONENT: Final = (
    Claim(1, "kind", "measurement-type", text, "role of the firmware", optional=True),
    Claim(2, "value", "measurement-value", measurement, "its digest"),
    Claim(4, "version", "version", text, "its version", optional=True),
    Claim(5, "signer", "signer-id", measurement, "digest of the key that signed it"),
    Claim(6, "hash_name", "hash-algo-id", hash_name, "algorithm of the digest", optional=True),
)
"""Claims of one software component (tee §9)."""


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of firmware that was measured."""

    value: bytes
    """32, 48 or 64 bytes."""
    signer: bytes
    """32, 48 or 64 bytes."""
    kind: str | None = None
    version: str | None = None
    hash_name: str | None = None

    def members(self) -> dict[cbor.Key, cbor.Value]:
        """Give its map, as encoded."""
        found = {claim.key: getattr(self, claim.field) for claim in COMPONENT}
        return {key: value for key, value in found.items() if value is not None}


def _components(value: cbor.Value, where: str) -> tuple[Component, ...]:
    if not isinstance(value, tuple) or not value:
        raise PeerError(where, got=type(value).__name__, want="one component or more", spec="§9")
    return tuple(
        Component(**read_claims(one, COMPONENT, f"{where}[{i}]", closed=True))
        for i, one in enumerate(value)
    )


PLATFORM: Final = (
    Claim(
        265,
        "profile",
        "cca-platform-profile",
        one_of(LEGACY_PROFILE, PROFILE),
        "which form the claims have",
    ),
    Claim(10, "nonce", "cca-platform-challenge", measurement, "digest of the realm's public key"),
    Claim(
        2396,
        "implementation_id",
        "cca-platform-implementation-id",
        data(32),
        "which implementation of the platform",
    ),
    Claim(
        256,
        "instance_id",
        "cca-platform-instance-id",
        data(33),
        "which machine; names its attestation key",
    ),
    Claim(2401, "config", "cca-platform-config", data(), "system properties of the machine"),
    Claim(2395, "lifecycle", "cca-platform-lifecycle", number, "phase of its life"),
    Claim(2399, "components", "cca-platform-sw-components", _components, "measured firmware"),
    Claim(
        2400,
        "service",
        "cca-platform-service-indicator",
        text,
        "where a verifier is said to be; nobody asks there",
        optional=True,
    ),
    Claim(2402, "hash_name", "cca-platform-hash-algo-id", hash_name, "algorithm of its digests"),
)
"""Claims of the platform (tee §9)."""


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's claims, read; who signed them is the verifier's question."""

    profile: str
    nonce: bytes
    """32, 48 or 64 bytes."""
    implementation_id: bytes
    """32 bytes."""
    instance_id: bytes
    """33 bytes, the first 01."""
    config: bytes
    lifecycle: int
    """16 bits; the upper byte counts."""
    components: tuple[Component, ...]
    hash_name: str
    service: str | None = None

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read the payload of a platform token.

        Raises:
            PeerError: a claim is missing, or of another form; unknown claims are passed over.
        """
        where = "platform token"
        found = cls(**read_claims(cbor.decode(payload, where), PLATFORM, where))
        if found.instance_id[:1] != b"\x01":
            raise PeerError(
                f"{where}: instance id",
                got=found.instance_id[:1].hex(),
                want="first byte 01, a random UEID",
                spec="tee §9",
            )
        return found

    def encode(self) -> bytes:
        """Write the payload."""
        members: dict[cbor.Key, cbor.Value] = {}
        for claim in PLATFORM:
            value = getattr(self, claim.field)
            if claim.field == "components":
                value = tuple(one.members() for one in self.components)
            if value is not None:
                members[claim.key] = value
        return cbor.encode(members)

    @property
    def state(self) -> int:
        """Upper byte of the life cycle."""
        return self.lifecycle >> 8

    @property
    def state_name(self) -> str:
        """The life cycle in words."""
        return name_of(self.lifecycle)


def name_of(lifecycle: int) -> str:
    """Put a life cycle into words, by its upper byte."""
    return STATES.get(lifecycle >> 8, "a value without a meaning")
