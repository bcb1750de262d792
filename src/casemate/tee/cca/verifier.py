"""Verifier of Arm CCA tokens, in the numbered steps of CHECKS. Pure.

Who vouches for the platform is either the operator's store (5 to 7) or a Veraison service that was
asked (15 to 20, ``remote``); all else is verified here in both cases.

Upstream makes 1 to 4, 5 and 7 to 9, and compares 11 and 12; there 12 never matches a digest of 32
or 48 bytes, since it is compared without its padding. Of a service's verdict it makes 16 and half
of 18; it does not look at what the verdict says.
"""

from typing import Final, NamedTuple

from casemate.crypto.cose import SignedMessage
from casemate.crypto.keys import PublicKey
from casemate.errors import InputError, VerificationError
from casemate.tee.binding import verify_init_data, verify_report_data
from casemate.tee.cca import remote, trust_anchors
from casemate.tee.cca.claims import MATCHED, NOT_COMPARED, claims_of
from casemate.tee.cca.configuration import require_none_remote
from casemate.tee.cca.options import CcaOptions
from casemate.tee.cca.platform import DEBUG, PROFILE, SECURED, Platform
from casemate.tee.cca.realm import CHALLENGE_SIZE, Realm
from casemate.tee.cca.reference_values import ReferenceValues
from casemate.tee.cca.reference_values import is_store as is_reference_store
from casemate.tee.cca.reference_values import read as read_reference_values
from casemate.tee.cca.report import TEE, Token, token_of
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence
from casemate.tee.trail import Check, Step, Topic, Trail, table

_T = Topic
_STORES: Final = "add it to tastore.json in the folder of roots; the machine's owner knows its key"

CHECKS: Final = table(
    Check(1, "shape", _T.SHAPE, "tag 399, just the two tokens, definite lengths", "tee §9"),
    Check(
        2,
        "envelopes",
        _T.SHAPE,
        "each a COSE_Sign1, ES256, ES384 or ES512 in the protected header, nothing critical",
        "RFC 9052 §4.2",
    ),
    Check(3, "platform claims", _T.SHAPE, "each there, of its form; profile known", "tee §9"),
    Check(
        4,
        "realm claims",
        _T.SHAPE,
        "each there, of its form; profile fits the platform's",
        "tee §9",
    ),
    Check(
        5,
        "platform key",
        _T.CHAIN,
        "the instance id has one key, on its curve, in the operator's store",
        "tee §9: the store is the trust anchor",
    ),
    Check(
        6,
        "implementation",
        _T.IDENTITY,
        "implementation id is the one the store has for this machine",
        "casemate: a key vouches for its own kind of machine",
        ours=True,
    ),
    Check(7, "platform signature", _T.SIGNATURE, "by that key, algorithm of its curve", "tee §9"),
    Check(
        8, "binding", _T.IDENTITY, "the platform's nonce is the digest of the realm's key", "tee §9"
    ),
    Check(9, "realm signature", _T.SIGNATURE, "by the realm's key", "tee §9"),
    Check(
        10,
        "life cycle",
        _T.MODE,
        "secured, 0x3000 to 0x30ff; debugging only where it is allowed",
        "tee §9: lifecycle",
        ours=True,
    ),
    Check(
        11,
        "report data",
        _T.FRESHNESS,
        "the challenge is the report data, padded to 64 bytes",
        "tee §1.2",
    ),
    Check(
        12,
        "init data",
        _T.INIT_DATA,
        "the personalization value is the digest, padded to 64 bytes",
        "tee §1.2",
    ),
    Check(
        13,
        "platform reference values",
        _T.MEASUREMENTS,
        "configuration and all firmware are a known good state of this implementation",
        "tee §9: rvstore.json",
    ),
    Check(
        14,
        "realm reference values",
        _T.MEASUREMENTS,
        "initial and extensible measurements are a known realm's",
        "tee §9: rvstore.json",
    ),
    *remote.CHECKS,
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify a CCA token, JSON of the wire or CBOR, in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``cca.8 binding`` for instance.
        InputError: a store in the operator's folder cannot be read, or asks for a remote verifier.
    """
    require_none_remote(inputs.anchors.material.files.values())
    options = inputs.options.of(TEE, CcaOptions)
    token = opened(raw, trail)
    platform, realm = token.platform, token.realm
    if options.address:
        for number in (5, 6, 7):
            trail.skip(number, f"{options.address} vouches for the platform")
    else:
        _verify_platform(trail, token, inputs)
    verify_binding(trail, token)
    with trail.step(10) as step:
        _require_secured(step, platform, allow_debug=inputs.options.allow_debug)
    verify_report_data(
        trail, 11, expected.report_data, "challenge", CHALLENGE_SIZE, realm.challenge
    )
    verify_init_data(trail, 12, expected.init_data, "personalization value", realm.personalization)
    known = _reference_values(inputs)
    firmware = _verify_platform_values(trail, platform, known)
    realms = _verify_realm_values(trail, realm, known)
    service = remote.verify(trail, platform, realm, inputs, options)
    claims = claims_of(platform, realm, firmware=firmware, realms=realms)
    if service is not None:
        service.add_to(claims)
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=claims,
            report_data=realm.challenge,
            init_data=realm.personalization,
            chain=(
                "realm attestation key",
                f"platform {platform.instance_id.hex()}",
                *(() if service is None else (service.key,)),
            ),
        ),
    )


class Opened(NamedTuple):
    """A token taken apart, and neither part's signature verified."""

    platform_message: SignedMessage
    realm_message: SignedMessage
    platform: Platform
    realm: Realm


def opened(raw: bytes, trail: Trail) -> Opened:
    """Make steps 1 to 4; VerificationError at one of them."""
    with trail.step(1):
        token = Token.parse(token_of(raw))
    with trail.step(2) as step:
        platform_message = SignedMessage.parse(token.platform, "platform token")
        realm_message = SignedMessage.parse(token.realm, "realm token")
        step.detail = f"{platform_message.algorithm}, {realm_message.algorithm}"
    with trail.step(3) as step:
        platform = Platform.parse(platform_message.payload)
        step.detail = f"{platform.profile}, {len(platform.components)} components"
    with trail.step(4) as step:
        realm = Realm.parse(realm_message.payload)
        _require_profiles(step, platform, realm)
    return Opened(platform_message, realm_message, platform, realm)


def verify_binding(trail: Trail, token: Opened) -> None:
    """Make steps 8 and 9, which need nothing but the token; VerificationError at one of them."""
    with trail.step(8) as step:
        step.require_equal(
            "platform nonce",
            token.platform.nonce,
            token.realm.key_digest(),
            remedy="the realm token is not of this platform, or its key was replaced",
        )
    with trail.step(9) as step:
        _require_signature(step, token.realm_message, token.realm.public_key(), "realm token")


def _verify_platform(trail: Trail, token: Opened, inputs: Inputs) -> None:
    with trail.step(5) as step:
        entry, key = _platform_key(step, token.platform, token.platform_message, inputs)
    with trail.step(6) as step:
        step.require_equal(
            "implementation id",
            token.platform.implementation_id,
            entry.implementation,
            remedy=_STORES,
        )
    with trail.step(7) as step:
        _require_signature(step, token.platform_message, key, "platform token")


def _require_profiles(step: Step, platform: Platform, realm: Realm) -> None:
    """A platform of the newer profile has a realm token that names its own (tee §9)."""
    step.require(
        platform.profile != PROFILE or realm.profile is not None,
        "cca-realm-profile",
        "none",
        f"one, since the platform's is {platform.profile}",
    )
    step.detail = realm.profile or "the first form, without a profile"


def _platform_key(
    step: Step, platform: Platform, message: SignedMessage, inputs: Inputs
) -> tuple[trust_anchors.PlatformKey, PublicKey]:
    claim = f"key of instance {platform.instance_id.hex()}"
    found = trust_anchors.find(inputs.anchors.material.files.values(), platform.instance_id)
    step.require(len(found) == 1, claim, f"{len(found)} entries", "one entry", remedy=_STORES)
    try:
        key, named = found[0].public_key()
    except InputError as error:
        raise step.refusal(
            claim=claim, got=error.got, expected=error.want, remedy="mend this entry of the store"
        ) from error
    step.require(
        named in {None, message.algorithm}, claim, message.algorithm, f"{named}, as the store says"
    )
    step.detail = f"instance {platform.instance_id.hex()}, {key.kind}"
    return found[0], key


def _require_signature(step: Step, message: SignedMessage, key: PublicKey, what: str) -> None:
    try:
        message.verify(key)
    except VerificationError as error:
        raise step.refusal(
            claim=f"signature of the {what}",
            got=error.refusal.got,
            expected=error.refusal.expected,
            remedy="the evidence was changed after it was signed, or another key signed it",
        ) from error
    step.detail = f"{message.algorithm}"


def _require_secured(step: Step, platform: Platform, *, allow_debug: bool) -> None:
    debugging = platform.state in DEBUG
    step.require(
        platform.state == SECURED or (debugging and allow_debug),
        "life cycle",
        f"{platform.lifecycle:#06x}, {platform.state_name}",
        "0x3000 to 0x30ff, secured",
        remedy="development machines need allow-debug"
        if debugging
        else "do not trust this machine",
    )
    step.detail = f"{platform.lifecycle:#06x}, {platform.state_name}"


def _reference_values(inputs: Inputs) -> ReferenceValues:
    """Read the operator's stores; collateral's only where the operator's folder has none."""
    own = inputs.anchors.material.files
    if any(is_reference_store(file) for file in own.values()):
        return read_reference_values(own)
    return read_reference_values(inputs.collateral.files)


def _verify_platform_values(trail: Trail, platform: Platform, known: ReferenceValues) -> str:
    if known.platform is None:
        trail.skip(13, "no reference values of platforms were given")
        return NOT_COMPARED
    with trail.step(13) as step:
        ours = platform.implementation_id.hex()
        states = [one for one in known.platform if one.implementation_id.lower() == ours]
        step.require(bool(states), "implementation id", ours, "one with reference values")
        _require_match(step, "firmware", [one.differences(platform) for one in states])
        step.detail = f"{len(platform.components)} components and the configuration"
    return MATCHED


def _verify_realm_values(trail: Trail, realm: Realm, known: ReferenceValues) -> str:
    if known.realm is None:
        trail.skip(14, "no reference values of realms were given")
        return NOT_COMPARED
    with trail.step(14) as step:
        _require_match(step, "realm", [one.differences(realm) for one in known.realm])
        step.detail = f"initial measurement {realm.initial.hex()[:16]}…"
    return MATCHED


def _require_match(step: Step, claim: str, tried: list[tuple[str, ...]]) -> None:
    """Refuse with what differs from the nearest known state, unless one differs in nothing."""
    if not tried:
        raise step.refusal(claim=claim, got="no known state at all", expected="one or more")
    nearest = min(tried, key=len)
    if nearest:
        raise step.refusal(
            claim=claim,
            got="; ".join(nearest),
            expected="a state that the reference values know",
            remedy="give the reference values of this firmware or realm, if it is one you trust",
        )
