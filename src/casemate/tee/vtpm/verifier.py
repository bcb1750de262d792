"""Verifier of bare TPM evidence, in the numbered steps of CHECKS. Pure.

Upstream verifies 1, 4, 5, 8, 9 and half of 11; without 6 a quote over other registers can be shown
as PCR 8, without 2 any TPM anybody made will do, without 10 nobody knows what was measured.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from casemate.crypto.digest import Digest
from casemate.crypto.x509 import CertificateFacts, Usage, split_pem, verify_chain
from casemate.errors import PeerError
from casemate.tee.anchors import Anchors
from casemate.tee.binding import verify_report_data
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence, parse_json
from casemate.tee.trail import Check, Step, Topic, Trail, table
from casemate.tee.vtpm.boot_aggregate import IMA_PCR, boot_aggregate_register
from casemate.tee.vtpm.options import LogRule, TpmOptions
from casemate.tee.vtpm.quote import (
    PCR_SIZE,
    parse_hex_pcrs,
    read_key,
    register_claims,
    verify_pcr_digest,
    verify_register,
    verify_selection,
    verify_signature,
)
from casemate.tee.vtpm.report import (
    INIT_DATA_PCR,
    REPORT_DATA_SIZE,
    TEE,
    TpmEvidence,
    init_data_register,
)
from casemate.wire.eventlog import EventLog, replay
from casemate.wire.eventlog_json import to_claims
from casemate.wire.tpm import ALG_SHA256, PCR_COUNT, Quote, Signature

_DRTM_PCRS: Final = range(17, 23)
_MOST_LOG: Final = 256 * 1024  # bytes that are read; a boot of ours logs 3 KB

_T = Topic
CHECKS: Final = table(
    Check(1, "shape", _T.SHAPE, "members, base64 and hex", "tee §8"),
    Check(
        2,
        "certificate",
        _T.CHAIN,
        "the key's certificate chains to a configured authority, for attestation keys; "
        "or the key's hash is configured",
        "casemate: a TPM anybody made proves nothing",
        ours=True,
    ),
    Check(
        3,
        "key",
        _T.IDENTITY,
        "the certificate, or the configured hash, is of the key that signs",
        "casemate: the certificate is of the key that signs",
        ours=True,
    ),
    Check(4, "quote", _T.SHAPE, "magic, type, nothing left over", "tee §6"),
    Check(5, "signature", _T.SIGNATURE, "RSASSA with SHA-256 over the quote", "tee §8"),
    Check(
        6, "selection", _T.MEASUREMENTS, "SHA-256, PCR 0 to 23, exactly once", "tee §6", ours=True
    ),
    Check(7, "pcr values", _T.SHAPE, "24 values of 32 bytes", "tee §6", ours=True),
    Check(
        8,
        "nonce",
        _T.FRESHNESS,
        "the quote's nonce is the report data, cut or padded to 32 bytes",
        "tee §8: fresh, and bound to this session's key",
    ),
    Check(9, "pcr digest", _T.MEASUREMENTS, "the values hash to what was signed", "tee §6"),
    Check(
        10,
        "event log",
        _T.MEASUREMENTS,
        "the log is there (unless an option says otherwise), and its replay gives every register",
        "tee §5: the log must explain every register",
        ours=True,
    ),
    Check(
        11,
        "initdata",
        _T.INIT_DATA,
        "PCR 8 = SHA256(zeros, digest); zeros without initdata",
        "tee §1.2: PCR 8 = SHA256(zeros, digest)",
    ),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify TPM evidence (JSON) in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``tpm.6 selection`` for instance.
        InputError: a configured anchor or option is unreadable, or the initdata digest is not
            SHA-256.
    """
    own = inputs.options.of(TEE, TpmOptions)
    with trail.step(1):
        evidence = parse_json(raw, TpmEvidence, TEE)
    endorsement = _verify_endorsement(trail, evidence, inputs, own)
    with trail.step(4):
        quote = Quote.parse(evidence.tpm_quote.message)
    with trail.step(5) as step:
        _verify_signature(step, evidence)
    with trail.step(6) as step:
        verify_selection(step, quote)
    with trail.step(7) as step:
        pcrs = parse_hex_pcrs(step, evidence.tpm_quote.pcrs)
    verify_report_data(
        trail, 8, expected.report_data, "extraData", REPORT_DATA_SIZE, quote.extra_data
    )
    with trail.step(9) as step:
        verify_pcr_digest(step, quote, pcrs)
    log = None
    if not evidence.event_log and not endorsement.certified and own.event_log is LogRule.OPTIONAL:
        trail.skip(10, "no event log, and option tpm.event_log is optional")
    else:
        with trail.step(10) as step:
            log = _verify_event_log(step, evidence.event_log, pcrs)
    with trail.step(11) as step:
        _verify_init_data(step, pcrs, expected.init_data)
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=_claims(evidence, quote, pcrs, log) | {"ak_certified": endorsement.certified},
            report_data=quote.extra_data,
            init_data=pcrs[INIT_DATA_PCR],
            chain=endorsement.chain,
        ),
    )


class _Endorsement(NamedTuple):
    """Who vouches for the attestation key."""

    certified: bool
    """A platform's authority does; otherwise the operator, who named the key's hash."""
    chain: tuple[str, ...]


def _verify_endorsement(
    trail: Trail, evidence: TpmEvidence, inputs: Inputs, own: TpmOptions
) -> _Endorsement:
    fingerprint = hashlib.sha256(evidence.ak_public).digest()
    if fingerprint in own.trusted:
        trail.skip(2, "the key is trusted by its hash (option tpm.trusted_aks)")
        with trail.step(3) as step:
            step.detail = f"key {fingerprint.hex()}, trusted by its hash"
        return _Endorsement(certified=False, chain=(f"key {fingerprint.hex()}",))
    with trail.step(2) as step:
        facts = _verify_certificate(step, evidence, inputs.anchors, inputs.now)
    with trail.step(3) as step:
        _verify_key(step, evidence, facts)
    chain = (facts.common_name, facts.issuer, facts.anchor_sha256.hex())
    return _Endorsement(certified=True, chain=chain)


def _verify_certificate(
    step: Step, evidence: TpmEvidence, anchors: Anchors, now: datetime
) -> CertificateFacts:
    if not evidence.ak_certificate:
        raise step.refusal(
            claim="ak_certificate",
            got="none",
            expected="a certificate of the platform's authority",
            remedy="run the pod through a platform whose authority the Trustee knows, or name the "
            "key in option tpm.trusted_aks",
        )
    named = anchors.material.certificates
    trusted = [
        *(der for bundle in anchors.ak_authorities for der in split_pem(bundle)),
        *(one.der for one in named if anchors.trusts(one) and one.is_authority),
    ]
    facts = verify_chain(evidence.ak_certificate, [], trusted, at=now, usage=Usage.ATTESTATION_KEY)
    step.detail = f"{facts.common_name}, issued by {facts.issuer}"
    return facts


def _verify_key(step: Step, evidence: TpmEvidence, facts: CertificateFacts) -> None:
    if not hmac.compare_digest(evidence.ak_public, facts.public_key_der):
        raise step.refusal(
            claim="ak_public",
            got=f"key {hashlib.sha256(evidence.ak_public).hexdigest()}",
            expected=f"the certified key {hashlib.sha256(facts.public_key_der).hexdigest()}",
            remedy="present each machine's evidence with its own key",
        )


def _verify_signature(step: Step, evidence: TpmEvidence) -> None:
    claim = "tpm_quote.signature"
    signature = Signature.parse(evidence.tpm_quote.signature)
    if signature.hash_algorithm != ALG_SHA256:
        raise step.refusal(
            claim=claim,
            got=f"hash algorithm {signature.hash_algorithm:#06x}",
            expected="RSASSA with SHA-256",
        )
    verify_signature(
        step,
        claim=claim,
        key=read_key(step, claim=claim, der=evidence.ak_public),
        signature=signature.signature,
        message=evidence.tpm_quote.message,
    )


def _verify_event_log(step: Step, raw: bytes, pcrs: Sequence[bytes]) -> EventLog:
    try:
        log = EventLog.parse(raw[:_MOST_LOG])
        replayed = replay(log.events, ALG_SHA256)
    except PeerError as error:
        raise step.refusal(claim="event_log", got=error.got, expected=error.want) from error
    for index, value in enumerate(pcrs):
        if index == INIT_DATA_PCR and index not in replayed:
            continue  # step 11
        _verify_register(step, index, value, replayed)
    stray = sorted(set(replayed) - set(range(PCR_COUNT)))
    if stray:
        raise step.refusal(
            claim="event_log", got=f"entries for registers {stray}", expected="PCR 0 to 23"
        )
    step.detail = f"{len(log.events)} entries explain every register"
    return log


def _verify_register(step: Step, index: int, value: bytes, replayed: dict[int, bytes]) -> None:
    reset = (b"\xff" if index in _DRTM_PCRS else b"\0") * PCR_SIZE
    wanted = replayed.get(index, reset)
    if index == IMA_PCR and index not in replayed and value != reset:
        wanted = boot_aggregate_register(replayed)
    if not hmac.compare_digest(value, wanted):
        raise step.refusal(
            claim=f"pcr{index:02}",
            got=value.hex(),
            expected=f"{wanted.hex()}, by replay",
            remedy="something was measured that the log does not show, or the log was changed",
        )


def _verify_init_data(step: Step, pcrs: Sequence[bytes], digest: Digest | None) -> None:
    verify_register(
        step,
        pcr=INIT_DATA_PCR,
        value=pcrs[INIT_DATA_PCR],
        wanted=init_data_register(digest),
        why=f"for initdata {digest or 'none'}",
    )


def _claims(
    evidence: TpmEvidence, quote: Quote, pcrs: Sequence[bytes], log: EventLog | None
) -> dict[str, Any]:
    logged = {"uefi_event_logs": to_claims(log, strict=False)} if log else {}
    return {
        **register_claims(pcrs),
        "ak_public": msgspec.to_builtins(evidence.ak_public),
        **logged,
        "init_data": pcrs[INIT_DATA_PCR].hex(),
        "report_data": quote.extra_data.hex(),
    }
