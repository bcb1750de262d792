"""The attestation result: EAR as a JWT's claims (trustee spec §11, AR4SI trust vector)."""

from enum import IntEnum
from typing import Any, Final, Self

import msgspec

from casemate.crypto import jwt
from casemate.errors import MALFORMED_JSON, InputError, Refusal

VECTOR: Final = (
    "instance-identity",
    "configuration",
    "executables",
    "file-system",
    "hardware",
    "runtime-opaque",
    "storage-opaque",
    "sourced-data",
)
"""Names of the eight trust claims, in AR4SI's order."""

ANNOTATED: Final = "ear.veraison.annotated-evidence"
STATUS: Final = "ear.status"
REASONS: Final = "ear.casemate.reasons"
"""Extension: what was found, what was expected, by which rule, of each claim that fell short."""


class Tier(IntEnum):
    """Trust tiers, worse ones higher; a vector is as good as its worst claim."""

    NONE = 0
    AFFIRMING = 1
    WARNING = 2
    CONTRAINDICATED = 3

    @classmethod
    def of(cls, value: int) -> Self:
        """Give the tier of a trust claim, -128 to 127."""
        if value in {-1, 0, 1}:
            return cls(cls.NONE)
        if -32 <= value <= 31:
            return cls(cls.AFFIRMING)
        if -96 <= value <= 95:
            return cls(cls.WARNING)
        return cls(cls.CONTRAINDICATED)


class TrustVector(msgspec.Struct, frozen=True, rename="kebab", kw_only=True):
    """Eight trust claims, each -128 to 127; 0 says nothing."""

    instance_identity: int = 0
    configuration: int = 0
    executables: int = 0
    file_system: int = 0
    hardware: int = 0
    runtime_opaque: int = 0
    storage_opaque: int = 0
    sourced_data: int = 0

    @property
    def status(self) -> Tier:
        """The worst tier of the eight."""
        return max(Tier.of(value) for value in msgspec.structs.astuple(self))


def appraisal(
    vector: TrustVector, *, policy_id: str, evidence: dict[str, Any], extensions: dict[str, Any]
) -> dict[str, Any]:
    """Give one submodule of the token: ``extensions`` are the policy's own members."""
    return extensions | {
        STATUS: vector.status.name.lower(),
        "ear.trustworthiness-vector": vector,
        "ear.appraisal-policy-id": policy_id,
        ANNOTATED: evidence,
    }


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Claims of an attestation token; times in seconds since the epoch."""

    eat_profile: str
    iat: int
    exp: int
    iss: str
    verifier: dict[str, str] = msgspec.field(name="ear.verifier-id")
    submods: dict[str, dict[str, Any]]
    """Class and running index (``cpu0``) to appraisal."""


class Explained(msgspec.Struct, frozen=True):
    """A submodule of a token, for people: its verdict, and what kept it from a better one."""

    name: str
    status: str
    vector: dict[str, int]
    reasons: tuple[Refusal, ...]


class _Reason(msgspec.Struct, frozen=True):
    claim: str = ""
    got: str = ""
    expected: str = ""
    rule: str = ""
    remedy: str = ""


class _Submod(msgspec.Struct, frozen=True):
    status: str = msgspec.field(name=STATUS)
    vector: dict[str, int] = msgspec.field(name="ear.trustworthiness-vector")
    reasons: tuple[_Reason, ...] = msgspec.field(default=(), name=REASONS)


class _Payload(msgspec.Struct, frozen=True):
    submods: dict[str, _Submod]


def explain(token: str) -> list[Explained]:
    """Read what a token says, without trusting it: its signature is not looked at.

    Raises:
        InputError: not an attestation token.
    """
    try:
        payload = msgspec.json.decode(jwt.parse(token).payload, type=_Payload)
    except MALFORMED_JSON as error:
        raise InputError("attestation token", got=error, want="an EAR", spec="§11") from error
    return [
        Explained(name, submod.status, submod.vector, tuple(map(_refusal, submod.reasons)))
        for name, submod in payload.submods.items()
    ]


def _refusal(reason: _Reason) -> Refusal:
    return Refusal(step="attest", **msgspec.structs.asdict(reason))
