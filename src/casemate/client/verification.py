"""Whether a service may be sent data: its attested key against a client's demands. Pure.

1 the TLS key is readable, and the document is for it
2 the document is fresh: for this connection's nonce, or in a certificate young enough
3 evidence is genuine and bound to the key; or a token is, whose authority counts
4 the initdata is the one demanded
5 the verdict is no worse than demanded
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from casemate.client import token
from casemate.client.trust import SOFT, ServiceTrust, VerifiedService
from casemate.crypto.certificate import Certificate
from casemate.crypto.digest import Digest
from casemate.crypto.keys import PublicKey
from casemate.errors import InputError, PeerError, Refusal, VerificationError
from casemate.rego.appraisal import appraise
from casemate.tee import verifiers
from casemate.tee.evidence import Expectation, VerifiedEvidence
from casemate.wire import attested_key, initdata
from casemate.wire.attested_key import AttestedKey
from casemate.wire.token import Tier


def carried(certificate: Certificate) -> AttestedKey | None:
    """Give the document inside a certificate; None when it carries none.

    Raises:
        PeerError: it carries one that cannot be read.
    """
    found = certificate.extensions.get(attested_key.EXTENSION)
    return attested_key.parse(found.value) if found else None


def judge(
    shown: bytes,
    trust: ServiceTrust,
    nonce: str,
    ask: Callable[[], bytes | None],
    *,
    now: datetime,
) -> VerifiedService:
    """Verify a service by the certificate it showed and, where that does not do, by asking it.

    Args:
        shown: its certificate (DER).
        trust: the client's demands.
        nonce: fresh for this connection; ``ask`` sends it.
        ask: gives the document that the service shows for the nonce; None when it has none.
        now: the time of the connection.

    Raises:
        VerificationError: it must not be sent anything.
        InputError: the demands cannot be meant.
    """
    try:
        certificate = Certificate.parse(shown)
        document = None if trust.fresh else carried(certificate)
        if document is not None:
            return verify(document, certificate, trust, nonce=None, now=now)
        answer = ask()
        if answer is not None:
            document = attested_key.parse(answer)
            return verify(document, certificate, trust, nonce=nonce, now=now)
    except PeerError as error:
        raise _refused(error.where, error.got, error.want, "attested TLS") from error
    raise _refused("attestation", "none", f"one at {attested_key.PATH}", "attested TLS")


def verify(
    document: AttestedKey,
    certificate: Certificate,
    trust: ServiceTrust,
    *,
    nonce: str | None,
    now: datetime,
) -> VerifiedService:
    """Verify a service in the steps above.

    Args:
        document: what it showed.
        certificate: of its TLS connection.
        trust: the client's demands.
        nonce: the one sent on this connection; None when the document lay in the certificate.
        now: the time of the connection.

    Raises:
        VerificationError: the service must not be sent anything; says why.
        InputError: the demands cannot be meant.
    """
    trust.require_any()
    key = _key(certificate)
    _require_fresh(document, certificate, trust, nonce=nonce, now=now)
    if trust.token_authorities and document.token:
        proof, tee, claims, status = "token", *token.verify(document.token, key, trust, now)
    else:
        proof, tee, claims, status = "evidence", *_by_evidence(document, key, trust, now)
    if status > trust.worst:
        raise _refused(
            "verdict",
            status.name.lower(),
            f"{trust.worst.name.lower()} or better",
            "attestation policy",
        )
    return VerifiedService(
        key_sha256=hashlib.sha256(key.der()).digest(),
        proof=proof,
        tee=tee,
        status=status.name.lower(),
        claims=claims,
        fresh=nonce is not None,
    )


def _key(certificate: Certificate) -> PublicKey:
    try:
        return PublicKey.from_der(certificate.spki)
    except InputError as error:
        raise _refused("TLS key", error.got, error.want, "RFC 5280") from error


def _require_fresh(
    document: AttestedKey,
    certificate: Certificate,
    trust: ServiceTrust,
    *,
    nonce: str | None,
    now: datetime,
) -> None:
    rule = "evidence must be fresh"
    if nonce is not None:
        if not hmac.compare_digest(document.nonce.encode(), nonce.encode()):
            raise _refused("nonce", document.nonce, "the one sent on this connection", rule)
        return
    if trust.fresh:
        raise _refused("nonce", "evidence in a certificate", "evidence for our nonce", rule)
    if not certificate.not_before <= now <= certificate.not_after:
        raise _refused("certificate", f"time {now.isoformat()}", "a valid certificate", rule)
    if now - certificate.not_before > trust.oldest:
        age = now - certificate.not_before
        raise _refused("certificate", f"evidence {age} old", f"at most {trust.oldest}", rule)


def _by_evidence(
    document: AttestedKey, key: PublicKey, trust: ServiceTrust, now: datetime
) -> tuple[str, Mapping[str, Any], Tier]:
    if trust.inputs is None or not document.tee:
        raise _refused(
            "proof",
            "evidence" if document.tee else "a token alone",
            "a token of a trusted authority" if trust.inputs is None else "evidence",
            "the client's demands",
        )
    tee = verifiers.canonical(document.tee)
    _require_tee(tee, trust)
    presented = _init_data(document, trust)
    expected = Expectation(
        report_data=attested_key.report_data(document.nonce, key).value, init_data=presented
    )
    inputs = msgspec.structs.replace(trust.inputs, now=now)
    found = verifiers.verify(tee, bytes(document.evidence), expected, inputs)
    verdicts = [_appraise(one, trust) for one in found]
    return tee, found[0].claims, max(verdicts)


def _require_tee(tee: str, trust: ServiceTrust) -> None:
    wanted = trust.tees or (frozenset(verifiers.VERIFIERS) - SOFT)
    if tee not in wanted:
        raise _refused("TEE", tee, ", ".join(sorted(wanted)), "TEEs that the client accepts")


def _init_data(document: AttestedKey, trust: ServiceTrust) -> Digest | None:
    rule = "initdata that the client accepts"
    try:
        found = initdata.parse(document.init_data.encode()).digest if document.init_data else None
    except InputError as error:
        raise _refused("initdata", error.got, error.want, rule) from error
    if trust.init_data is not None and found != trust.init_data:
        raise _refused("initdata", str(found or "none"), str(trust.init_data), rule)
    return found


def _appraise(one: VerifiedEvidence, trust: ServiceTrust) -> Tier:
    name = f"default_{one.tee_class}"
    policy = trust.policies.get(one.tee_class)
    if policy is None:
        raise _refused("policy", f"none for class {one.tee_class}", "one", "nothing by default")
    claims = dict(one.claims)
    lifted = {n: claims.pop(n) for n in ("report_data", "init_data") if n in claims}
    status = appraise(
        name, policy, trust.reference_values, lifted | {one.tee: claims}
    ).vector.status
    return Tier.CONTRAINDICATED if status is Tier.NONE else status  # a policy that says nothing


def _refused(claim: str, got: str, expected: str, rule: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="attest before sending",
            claim=claim,
            got=got,
            expected=expected,
            rule=rule,
            remedy="Nothing was sent. Ask who runs the service, or change what you demand.",
        )
    )
