"""A token of an attestation service as proof of a TLS key: signature, authority, time, key."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from casemate.client.trust import SOFT, ServiceTrust
from casemate.crypto import jwt
from casemate.crypto.jwk import EcJwk
from casemate.crypto.keys import PublicKey
from casemate.errors import CasemateError, InputError, Refusal, VerificationError
from casemate.wire.token import ANNOTATED, STATUS, Tier
from casemate.wire.token_key import endorsed

_TIERS: Final = {tier.name.lower(): tier for tier in Tier}


def verify(
    text: str, key: PublicKey, trust: ServiceTrust, now: datetime
) -> tuple[str, Mapping[str, Any], Tier]:
    """Verify that an authority of ``trust`` vouches for ``key``.

    Returns:
        The TEE, its claims, and the worst verdict of all submodules.

    Raises:
        VerificationError: it does not.
    """
    try:
        parsed = jwt.parse(text)
        signer = endorsed(parsed.header, trust.token_authorities, at=now)
        claims = jwt.verify(parsed, signer, now=now.timestamp()).claims
    except InputError as error:
        raise _refused("token", error.got, error.want) from error
    submods = claims.get("submods")
    if not isinstance(submods, dict) or not isinstance(submods.get("cpu0"), dict):
        raise _refused("submods", "none of a CPU", "cpu0")
    annotated = submods["cpu0"].get(ANNOTATED)
    if not isinstance(annotated, dict):
        raise _refused(ANNOTATED, "none", "the evidence's claims")
    _require_key(annotated, key)
    tee = next((name for name, value in annotated.items() if _is_tee(name, value)), "")
    if (tee in SOFT and tee not in trust.tees) or (trust.tees and tee not in trust.tees):
        raise _refused("TEE", tee or "none", ", ".join(sorted(trust.tees)) or "a real one")
    return tee, annotated, max(_status(one) for one in submods.values())


def _require_key(annotated: Mapping[str, Any], key: PublicKey) -> None:
    """The token's ``tee-pubkey`` must be the key of this TLS connection."""
    runtime = annotated.get("runtime_data_claims")
    shown = runtime.get("tee-pubkey") if isinstance(runtime, dict) else None
    try:
        jwk = msgspec.convert({n: v for n, v in dict(shown or {}).items() if n != "alg"}, EcJwk)
        same = PublicKey.from_jwk(jwk) == key
    except (msgspec.ValidationError, CasemateError, ValueError, TypeError) as error:
        raise _refused("tee-pubkey", "no readable EC key", "the TLS key") from error
    if not same:
        raise _refused("tee-pubkey", "another key", "the key of this TLS connection")


def _status(submod: object) -> Tier:
    status = submod.get(STATUS) if isinstance(submod, dict) else None
    tier = _TIERS.get(str(status))
    if tier is None or tier is Tier.NONE:
        return Tier.CONTRAINDICATED
    return tier


def _is_tee(name: str, value: object) -> bool:
    return isinstance(value, dict) and not name.endswith(("_claims", "_data"))


def _refused(claim: str, got: str, expected: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="attest before sending",
            claim=f"token: {claim}",
            got=got,
            expected=expected,
            rule="trustee spec §8, §11",
            remedy="Nothing was sent. The service must show a token for its own TLS key.",
        )
    )
