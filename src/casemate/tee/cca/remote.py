"""What a Veraison service's verdict proves: an EAR, signed, about this very token (steps 15 to 20).

The verdict counts only with a key that is the service's, for our challenge, and lately; only when
it affirms both parts of the token; and only when what it says it saw is what stands in the token.
A part that could not be appraised is named by the scheme, with the reason beside it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from casemate.crypto import base64url, jwt
from casemate.crypto.digest import Algorithm, Digest
from casemate.crypto.jwk import UNNAMED, Jwk
from casemate.crypto.keys import Kind, PublicKey
from casemate.errors import InputError
from casemate.tee.cca.claim import Claim
from casemate.tee.cca.claims import MATCHED
from casemate.tee.cca.configuration import configured_key
from casemate.tee.cca.options import CcaOptions
from casemate.tee.cca.platform import COMPONENT, PLATFORM, Component, Platform
from casemate.tee.cca.realm import REALM, Realm
from casemate.tee.evidence import Answer, Inputs
from casemate.tee.trail import Check, Step, Topic, Trail
from casemate.wire.token import ANNOTATED, STATUS, Tier

CHECKS: Final = (
    Check(
        15,
        "remote verdict",
        Topic.CHAIN,
        "where a service vouches: it was asked about this token, and gave a verdict",
        "veraison/docs: api/challenge-response",
    ),
    Check(
        16,
        "verdict's signature",
        Topic.SIGNATURE,
        "by the configured key, else the one published over TLS; elliptic, algorithm of its kind",
        "RFC 7515",
    ),
    Check(
        17,
        "verdict's form",
        Topic.SHAPE,
        "Veraison's EAR profile; times, nonce and parts each there, of its form",
        "draft-ietf-rats-ear",
    ),
    Check(
        18,
        "verdict's freshness",
        Topic.FRESHNESS,
        "its nonce is the realm's challenge; issued within five minutes, not expired",
        "draft-ietf-rats-ear: eat_nonce, iat",
    ),
    Check(
        19,
        "verdict",
        Topic.IDENTITY,
        "affirms platform and realm in each trust claim, identity and firmware too; nothing else",
        "draft-ietf-rats-ar4si: trust tiers",
        ours=True,
    ),
    Check(
        20,
        "verdict's evidence",
        Topic.IDENTITY,
        "the claims that it says it saw are those of this token",
        "casemate: a verdict is about one token",
        ours=True,
    ),
)
PROFILE: Final = "tag:github.com,2023:veraison/ear"
PLATFORM_PART: Final = "CCA_SSD_PLATFORM"
REALM_PART: Final = "CCA_REALM"
OLDEST: Final = 300
"""Seconds since a verdict was issued: longer than any conversation may last."""
_KINDS: Final = frozenset({Kind.P256, Kind.P384, Kind.P521, Kind.ED25519})
_IDENTITY: Final = "instance-identity"
_EXECUTABLES: Final = "executables"
_CONFIGURATION: Final = "configuration"
_UNRECOGNIZED: Final = 33
_AFFIRMING: Final = "affirming, 2 to 31"
_TIERS: Final = {0: Tier.NONE, 2: Tier.AFFIRMING, 32: Tier.WARNING, 96: Tier.CONTRAINDICATED}
_SEEN: Final = {
    PLATFORM_PART: ("cca-platform-instance-id", "cca-platform-implementation-id"),
    REALM_PART: (
        "cca-realm-challenge",
        "cca-realm-personalization-value",
        "cca-realm-initial-measurement",
        "cca-realm-extensible-measurements",
        "cca-realm-hash-algo-id",
    ),
}
"""What a verdict must say it saw: the claims that upstream reads out of it."""


class Part(msgspec.Struct, frozen=True):
    """What a verdict says of one part of the token."""

    status: str | int = msgspec.field(name=STATUS)
    vector: dict[str, int] = msgspec.field(
        name="ear.trustworthiness-vector", default_factory=dict[str, int]
    )
    seen: dict[str, Any] = msgspec.field(name=ANNOTATED, default_factory=dict[str, Any])
    policy: dict[str, Any] = msgspec.field(
        name="ear.veraison.policy-claims", default_factory=dict[str, Any]
    )

    @property
    def tier(self) -> Tier:
        """The status; contraindicated when it is none that is known."""
        if isinstance(self.status, int):
            return _TIERS.get(self.status, Tier.CONTRAINDICATED)
        return Tier.__members__.get(self.status.upper(), Tier.CONTRAINDICATED)

    def affirms(self, claim: str) -> bool:
        """Say whether a trust claim is affirming."""
        return Tier.of(self.vector.get(claim, 0)) is Tier.AFFIRMING

    def shortcomings(self) -> Iterator[tuple[str, int]]:
        """Give trust claims that say something, and do not affirm."""
        for claim, value in self.vector.items():
            if value != 0 and Tier.of(value) is not Tier.AFFIRMING:
                yield claim, value


class Ear(msgspec.Struct, frozen=True, kw_only=True):
    """Claims of a verdict. Times are seconds since the epoch."""

    eat_profile: str
    iat: int
    eat_nonce: str
    submods: dict[str, Part]
    exp: int | None = None
    verifier: dict[str, Any] = msgspec.field(name="ear.verifier-id")

    @classmethod
    def parse(cls, claims: Mapping[str, Any]) -> "Ear":
        """Read the claims of a token; InputError for another form."""
        try:
            return msgspec.convert(claims, cls)
        except msgspec.ValidationError as error:
            raise InputError("EAR", got=error, want="claims of an attestation result") from error


class Vouched(NamedTuple):
    """A verdict that holds."""

    address: str
    key: str
    """Which key signed, and why it counts."""
    ear: Ear

    def add_to(self, claims: dict[str, Any]) -> None:
        """Put what it vouches for into the claims of the token."""
        claims["platform"]["cca-platform-reference-values"] = MATCHED
        if self.ear.submods[REALM_PART].affirms(_EXECUTABLES):
            claims["realm"]["cca-realm-reference-values"] = MATCHED
        claims["remote-verifier"] = {"address": self.address, "id": self.ear.verifier}


def verify(
    trail: Trail, platform: Platform, realm: Realm, inputs: Inputs, options: CcaOptions
) -> Vouched | None:
    """Make steps 15 to 20; None where no service vouches.

    Raises:
        VerificationError: the service gave no verdict, or one that does not hold.
        InputError: the configured key is none.
    """
    if not options.address:
        for check in CHECKS:
            trail.skip(check.number, "the operator's store vouches for the platform")
        return None
    with trail.step(15) as step:
        answer = _answer(step, inputs.answer, options)
    with trail.step(16) as step:
        key, origin = _key(step, answer, options)
        claims = _signed_claims(step, answer.verdict, key, origin)
    with trail.step(17) as step:
        ear = _ear(step, claims)
    with trail.step(18) as step:
        _require_fresh(step, ear, realm.challenge, inputs.now.timestamp())
    with trail.step(19) as step:
        _require_affirmed(step, ear.submods, options)
    with trail.step(20) as step:
        _require_seen(step, ear.submods[PLATFORM_PART], PLATFORM_PART, platform, PLATFORM)
        _require_seen(step, ear.submods[REALM_PART], REALM_PART, realm, REALM)
    return Vouched(options.address, f"EAR key {_thumb(key)} ({origin})", ear)


def _answer(step: Step, answer: Answer | None, options: CcaOptions) -> Answer:
    step.require(
        answer is not None,
        options.address,
        "nobody asked it",
        "a verdict",
        remedy="give --fetch; a kept verdict proves nothing of today",
    )
    assert answer is not None, "required above"
    step.require(
        not answer.silence, options.address, answer.silence, "a verdict", remedy=answer.remedy
    )
    step.detail = options.address
    return answer


def _key(step: Step, answer: Answer, options: CcaOptions) -> tuple[Jwk, str]:
    if options.ear_verification_key:
        return configured_key(options), "configured"
    if answer.key is None:
        raise step.refusal(
            claim="ear-verification-key",
            got="none",
            expected="the key of the service",
            remedy="configure ear-verification-key",
        )
    return answer.key, "published"


def _signed_claims(step: Step, verdict: str, key: Jwk, origin: str) -> dict[str, Any]:
    try:
        public = PublicKey.from_jwk(key)
        token = jwt.parse(verdict)
    except InputError as error:
        raise step.refusal(claim=error.where, got=error.got, expected=error.want) from error
    step.require(
        public.kind in _KINDS, f"{origin} key", public.kind, "P-256, P-384, P-521 or Ed25519"
    )
    step.require(
        key.alg in {UNNAMED, token.header.alg}, "alg", token.header.alg, f"{key.alg}, the key's"
    )
    step.detail = f"{token.header.alg}, {origin} key {_thumb(key)}"
    return jwt.signed_claims(token, public)


def _ear(step: Step, claims: Mapping[str, Any]) -> Ear:
    try:
        ear = Ear.parse(claims)
    except InputError as error:
        raise step.refusal(claim=error.where, got=error.got, expected=error.want) from error
    step.require(ear.eat_profile == PROFILE, "eat_profile", ear.eat_profile, PROFILE)
    step.detail = f"parts: {', '.join(sorted(ear.submods))}"
    return ear


def _require_fresh(step: Step, ear: Ear, challenge: bytes, now: float) -> None:
    try:
        nonce = base64url.decode(ear.eat_nonce.rstrip("="))
    except InputError as error:
        raise step.refusal(claim="eat_nonce", got=error.got, expected="base64url") from error
    step.require_equal("eat_nonce", nonce, challenge, remedy="the verdict is about another session")
    age = now - ear.iat
    clocks = "compare the clocks of the service and of this machine"
    window = f"-{jwt.LEEWAY} to {OLDEST} s"
    step.require(-jwt.LEEWAY <= age <= OLDEST, "iat", f"{age:.0f} s ago", window, remedy=clocks)
    step.require(ear.exp is None or now <= ear.exp + jwt.LEEWAY, "exp", ear.exp, "a time to come")
    step.detail = f"issued {age:.0f} s ago"


def _require_affirmed(step: Step, parts: Mapping[str, Part], options: CcaOptions) -> None:
    for name, part in parts.items():
        _require_part(step, name, part, options)
    for name in (PLATFORM_PART, REALM_PART):
        step.require(name in parts, "submods", ", ".join(parts) or "none", f"{name} among them")
        for claim in _needed(name, options):
            step.require(
                parts[name].affirms(claim),
                f"{name} {claim}",
                _told(parts[name].vector.get(claim, 0)),
                _AFFIRMING,
                remedy=_REMEDIES[claim],
            )
    step.require(len(parts) == len(_SEEN), "submods", ", ".join(parts), " and ".join(_SEEN))
    step.detail = ", ".join(f"{name} {part.tier.name.lower()}" for name, part in parts.items())


def _needed(name: str, options: CcaOptions) -> tuple[str, ...]:
    """Give the trust claims that must be made; of others, silence is no shortcoming."""
    if name == PLATFORM_PART:
        return (_IDENTITY, _EXECUTABLES, _CONFIGURATION)
    return (_IDENTITY, _EXECUTABLES) if options.realm_values == "required" else (_IDENTITY,)


def _require_part(step: Step, name: str, part: Part, options: CcaOptions) -> None:
    short = list(part.shortcomings())
    if (
        options.realm_values == "optional"
        and (name, short) == (REALM_PART, [(_EXECUTABLES, _UNRECOGNIZED)])
        and part.tier in {Tier.AFFIRMING, Tier.WARNING}
    ):
        return  # it knows no realm like this one: the attestation policy's to judge
    problem = part.policy.get("problem", "")
    reason = f"; problem: {problem}" if problem else ""
    for claim, value in short:
        raise step.refusal(
            claim=f"{name} {claim}",
            got=f"{_told(value)}{reason}",
            expected=_AFFIRMING,
            remedy=_REMEDIES.get(claim, "ask who runs the service"),
        )
    step.require(
        part.tier is Tier.AFFIRMING,
        f"{name} {STATUS}",
        f"{part.status}{reason}",
        "affirming",
        remedy="ask who runs the service: its policy may say so",
    )


def _require_seen(
    step: Step, part: Part, name: str, ours: Platform | Realm, table: tuple[Claim, ...]
) -> None:
    for claim in table:
        value = getattr(ours, claim.field)
        if claim.name not in part.seen and claim.name not in _SEEN[name]:
            continue
        seen = part.seen.get(claim.name)
        step.require(
            _is_same(value, seen),
            f"{name} {claim.name}",
            seen,
            "that of the token",
            remedy="the verdict is about another token",
        )


def _is_same(ours: object, seen: object) -> bool:
    """Compare a claim with its form in JSON: bytes are base64, of either alphabet."""
    match ours, seen:
        case bytes(), str(text):
            try:
                return base64url.decode(text.translate(_TO_URL).rstrip("=")) == ours
            except InputError:
                return False
        case tuple(), list():
            return len(ours) == len(seen) and all(map(_is_same, ours, seen))
        case Component(), dict():
            members = ((claim, getattr(ours, claim.field)) for claim in COMPONENT)
            return all(
                _is_same(value, seen.get(claim.name))
                for claim, value in members
                if claim.name in seen or not claim.optional  # services name key 6 otherwise
            )
        case _:
            return type(ours) is type(seen) and ours == seen


def _thumb(key: Jwk) -> str:
    return Digest.of(PublicKey.from_jwk(key).der(), Algorithm.SHA256).value.hex()[:16]


def _told(value: int) -> str:
    tier = Tier.of(value).name.lower()
    return f"{value}, {_MEANINGS.get(value, tier)} ({tier})"


_TO_URL: Final = str.maketrans("+/", "-_")
_MEANINGS: Final = {
    -1: "the verifier failed",
    0: "nothing said",
    1: "evidence that was not expected",
    32: "known to be weak",
    33: "not recognized",
    96: "known to be bad",
    97: "not recognized, and it must be",
    99: "the proof did not hold",
}
"""Values of AR4SI that services give."""
_REMEDIES: Final = {
    _IDENTITY: "give the service the endorsement of this platform's key; else the token was "
    "changed, or its machine is not in production use",
    "hardware": "give the service the endorsement of this platform's key",
    _CONFIGURATION: "give the service the reference value of this platform's configuration",
    _EXECUTABLES: "give the service the reference values of this firmware or realm, if it is one "
    "you trust",
}
