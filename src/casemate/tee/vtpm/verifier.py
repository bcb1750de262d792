"""Verifier of bare TPM evidence, in numbered steps. Pure: evidence, anchors, expectation, time.

    1 shape          5 signature          9 pcr digest
    2 certificate    6 selection         10 event log
    3 key            7 pcr values        11 initdata
    4 quote          8 nonce

Upstream verifies 1, 4, 5, 8, 9 and half of 11; without 6 a quote over other registers can be shown
as PCR 8, without 2 any TPM anybody made will do, without 10 nobody knows what was measured.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.crypto.keys import PublicKey
from casemate.crypto.x509 import CertificateFacts, Usage, split_pem, verify_chain
from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from casemate.tee.evidence import (
    CPU,
    Anchors,
    Expectation,
    VerifiedEvidence,
    parse_json,
    refusal,
)
from casemate.tee.vtpm.boot_aggregate import IMA_PCR, boot_aggregate_register
from casemate.tee.vtpm.report import (
    INIT_DATA_PCR,
    TEE,
    TpmEvidence,
    TpmQuote,
    init_data_register,
    resize,
)
from casemate.wire.eventlog import EventLog, replay
from casemate.wire.eventlog_json import to_claims
from casemate.wire.tpm import ALG_SHA256, ALL_PCRS, PCR_COUNT, Quote, Signature

PCR_SIZE: Final = 32
_DRTM_PCRS: Final = range(17, 23)
_MOST_LOG: Final = 256 * 1024  # bytes that are read; a boot of ours logs 3 KB
_RULE: Final = "tee §8"


def verify(raw: bytes, expected: Expectation, anchors: Anchors, now: datetime) -> VerifiedEvidence:
    """Verify TPM evidence (JSON) in the steps above.

    Raises:
        VerificationError: with the number of the step, ``tpm.6 selection`` for instance.
        InputError: a configured anchor is unreadable, or the initdata digest is not SHA-256.
    """
    evidence = parse_json(raw, TpmEvidence, TEE)
    facts = _verify_certificate(evidence, anchors, now)
    _verify_key(evidence, facts)
    quote = _parse_quote(evidence.tpm_quote)
    _verify_signature(evidence)
    _verify_selection(quote)
    pcrs = _parse_pcrs(evidence.tpm_quote)
    _verify_nonce(quote, expected.report_data)
    _verify_pcr_digest(quote, pcrs)
    log = _verify_event_log(evidence.event_log, pcrs)
    _verify_init_data(pcrs, expected.init_data)
    return VerifiedEvidence(
        tee=TEE,
        tee_class=CPU,
        claims=_claims(evidence, quote, pcrs, log),
        report_data=quote.extra_data,
        init_data=pcrs[INIT_DATA_PCR],
    )


def _verify_certificate(evidence: TpmEvidence, anchors: Anchors, now: datetime) -> CertificateFacts:
    step = "tpm.2 certificate"
    if not evidence.ak_certificate:
        raise refusal(
            step,
            claim="ak_certificate",
            got="none",
            expected="a certificate of the platform's authority",
            rule="casemate: a TPM anybody made proves nothing",
            remedy="run the pod through a platform whose authority the Trustee knows",
        )
    trusted = [der for bundle in anchors.ak_authorities for der in split_pem(bundle)]
    try:
        return verify_chain(
            evidence.ak_certificate, [], trusted, at=now, usage=Usage.ATTESTATION_KEY
        )
    except VerificationError as error:
        raise VerificationError(msgspec.structs.replace(error.refusal, step=step)) from error


def _verify_key(evidence: TpmEvidence, facts: CertificateFacts) -> None:
    if not hmac.compare_digest(evidence.ak_public, facts.public_key_der):
        raise refusal(
            "tpm.3 key",
            claim="ak_public",
            got=f"key {hashlib.sha256(evidence.ak_public).hexdigest()}",
            expected=f"the certified key {hashlib.sha256(facts.public_key_der).hexdigest()}",
            rule="casemate: the certificate is of the key that signs",
            remedy="present each machine's evidence with its own key",
        )


def _parse_quote(quote: TpmQuote) -> Quote:
    try:
        return Quote.parse(quote.message)
    except PeerError as error:
        raise _broken("tpm.4 quote", "tpm_quote.message", error) from error


def _verify_signature(evidence: TpmEvidence) -> None:
    step, claim = "tpm.5 signature", "tpm_quote.signature"
    try:
        signature = Signature.parse(evidence.tpm_quote.signature)
        key = PublicKey.from_der(evidence.ak_public)
    except (PeerError, InputError) as error:
        raise _broken(step, claim, error) from error
    if signature.hash_algorithm != ALG_SHA256:
        raise refusal(
            step,
            claim=claim,
            got=f"hash algorithm {signature.hash_algorithm:#06x}",
            expected="RSASSA with SHA-256",
            rule=_RULE,
        )
    try:
        key.verify(signature.signature, evidence.tpm_quote.message, "RS256")
    except CasemateError as error:
        raise refusal(
            step,
            claim=claim,
            got="a signature that does not verify",
            expected="one by ak_public over the quote",
            rule=_RULE,
            remedy="the evidence was changed after it was signed, or another key signed it",
        ) from error


def _verify_selection(quote: Quote) -> None:
    if quote.selections != (ALL_PCRS,):
        shown = "; ".join(
            f"bank {s.algorithm:#06x} PCR {list(s.indices)}" for s in quote.selections
        )
        raise refusal(
            "tpm.6 selection",
            claim="pcrSelect",
            got=shown or "nothing",
            expected="bank 0x000b (SHA-256), PCR 0 to 23, once",
            rule="tee §6",
            remedy="quote all 24 registers",
        )


def _parse_pcrs(quote: TpmQuote) -> tuple[bytes, ...]:
    sizes = {len(value) for value in quote.pcrs}
    if len(quote.pcrs) != PCR_COUNT or sizes != {PCR_SIZE * 2}:
        raise refusal(
            "tpm.7 pcr values",
            claim="pcrs",
            got=f"{len(quote.pcrs)} values of {sorted(sizes)} hex digits",
            expected=f"{PCR_COUNT} values of {PCR_SIZE * 2} hex digits",
            rule="tee §6",
        )
    try:
        return tuple(bytes.fromhex(value) for value in quote.pcrs)
    except ValueError as error:
        raise refusal(
            "tpm.7 pcr values", claim="pcrs", got="not hex", expected="hex", rule="tee §8"
        ) from error


def _verify_nonce(quote: Quote, report_data: bytes) -> None:
    wanted = resize(report_data)
    if not hmac.compare_digest(quote.extra_data, wanted):
        raise refusal(
            "tpm.8 nonce",
            claim="extraData",
            got=quote.extra_data.hex(),
            expected=wanted.hex(),
            rule="tee §8: fresh, and bound to this session's key",
            remedy="evidence serves only the session whose nonce and key it was made for",
        )


def _verify_pcr_digest(quote: Quote, pcrs: Sequence[bytes]) -> None:
    found = hashlib.sha256(b"".join(pcrs)).digest()
    if not hmac.compare_digest(found, quote.pcr_digest):
        raise refusal(
            "tpm.9 pcr digest",
            claim="pcrDigest",
            got=f"values that hash to {found.hex()}",
            expected=quote.pcr_digest.hex(),
            rule="tee §6",
            remedy="the values shown are not those the TPM signed",
        )


def _verify_event_log(raw: bytes, pcrs: Sequence[bytes]) -> EventLog:
    step = "tpm.10 event log"
    try:
        log = EventLog.parse(raw[:_MOST_LOG])
        replayed = replay(log.events, ALG_SHA256)
    except PeerError as error:
        raise _broken(step, "event_log", error) from error
    for index, value in enumerate(pcrs):
        if index == INIT_DATA_PCR and index not in replayed:
            continue  # step 11
        _verify_register(step, index, value, replayed)
    stray = sorted(set(replayed) - set(range(PCR_COUNT)))
    if stray:
        raise refusal(
            step,
            claim="event_log",
            got=f"entries for registers {stray}",
            expected="PCR 0 to 23",
            rule="tee §5",
        )
    return log


def _verify_register(step: str, index: int, value: bytes, replayed: dict[int, bytes]) -> None:
    reset = (b"\xff" if index in _DRTM_PCRS else b"\0") * PCR_SIZE
    wanted = replayed.get(index, reset)
    if index == IMA_PCR and index not in replayed and value != reset:
        wanted = boot_aggregate_register(replayed)
    if not hmac.compare_digest(value, wanted):
        raise refusal(
            step,
            claim=f"pcr{index:02}",
            got=value.hex(),
            expected=f"{wanted.hex()}, by replay",
            rule="tee §5: the log must explain every register",
            remedy="something was measured that the log does not show, or the log was changed",
        )


def _verify_init_data(pcrs: Sequence[bytes], digest: Digest | None) -> None:
    wanted = init_data_register(digest)
    if not hmac.compare_digest(pcrs[INIT_DATA_PCR], wanted):
        raise refusal(
            "tpm.11 initdata",
            claim="pcr08",
            got=pcrs[INIT_DATA_PCR].hex(),
            expected=f"{wanted.hex()} for initdata {digest or 'none'}",
            rule="tee §1.2: PCR 8 = SHA256(zeros, digest)",
            remedy="the initdata presented is not what the pod was started with",
        )


def _claims(
    evidence: TpmEvidence, quote: Quote, pcrs: Sequence[bytes], log: EventLog
) -> dict[str, Any]:
    claims: dict[str, Any] = {f"pcr{i:02}": value.hex() for i, value in enumerate(pcrs)}
    return claims | {
        "ak_public": msgspec.to_builtins(evidence.ak_public),
        "ak_certified": True,
        "uefi_event_logs": to_claims(log),
        "init_data": pcrs[INIT_DATA_PCR].hex(),
        "report_data": quote.extra_data.hex(),
    }


def _broken(step: str, claim: str, error: CasemateError) -> VerificationError:
    return refusal(step, claim=claim, got=error.got, expected=error.want, rule=error.spec or _RULE)
