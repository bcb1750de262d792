"""Verifier of TDX quotes (tee §4.5)."""

from typing import Any, Final

from casemate.errors import PeerError
from casemate.tee.binding import verify_init_data, verify_report_data
from casemate.tee.dcap import claims as dcap_claims
from casemate.tee.dcap.bodies import TdReport
from casemate.tee.dcap.quote import Quote, TeeType
from casemate.tee.dcap.verification import VerifiedQuote, quote_checks, verify_quote
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence
from casemate.tee.tdx import event_log
from casemate.tee.tdx.options import EventLogRule, TdxOptions
from casemate.tee.tdx.report import TEE, TdxEvidence
from casemate.tee.trail import Check, Step, Topic, Trail, table
from casemate.wire.eventlog_json import Details

_FIRST: Final = 2
_QUOTE_CHECKS: Final = quote_checks(_FIRST, TeeType.TDX)
_REPORT_DATA: Final = _FIRST + len(_QUOTE_CHECKS)
_INIT_DATA: Final = _REPORT_DATA + 1
_EVENT_LOG: Final = _INIT_DATA + 1
CHECKS: Final = table(
    Check(1, "shape", Topic.SHAPE, "TD quote of version 4 or 5; every length fits", "tee §4.2"),
    *_QUOTE_CHECKS,
    Check(
        _REPORT_DATA,
        "report data",
        Topic.FRESHNESS,
        "REPORTDATA is the session's, padded to 64 bytes",
        "tee §1.2",
    ),
    Check(
        _INIT_DATA,
        "init data",
        Topic.INIT_DATA,
        "MRCONFIGID is the digest of the initdata, padded to 48 bytes",
        "tee §1.2",
    ),
    Check(
        _EVENT_LOG,
        "event log",
        Topic.MEASUREMENTS,
        "the log's replay gives every RTMR; registers without entries are zero",
        "tee §5.1",
    ),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify TDX evidence (JSON of the wire, or a quote) in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``tdx.9 quote signature`` for instance.
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, TdxOptions)
    with trail.step(1) as step:
        evidence = TdxEvidence.parse(raw)
        quote, body = parse_quote(evidence.quote)
        step.detail = f"version {quote.version}, {quote.body_type.name}, tail {quote.tail} bytes"
    verified = verify_quote(quote, inputs, options, trail, _FIRST)
    found = body.report_data
    verify_report_data(trail, _REPORT_DATA, expected.report_data, "report_data", len(found), found)
    verify_init_data(trail, _INIT_DATA, expected.init_data, "mr_config_id", body.mr_config_id)
    entries = _verify_event_log(trail, evidence, body, options)
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=claims_of(verified, body, entries),
            report_data=body.report_data,
            init_data=body.mr_config_id,
            chain=tuple(
                f"{one.common_name} {one.fingerprint.hex()}" for one in verified.platform.chain.path
            ),
        ),
    )


def parse_quote(raw: bytes) -> tuple[Quote, TdReport]:
    """Read a TD's quote.

    Raises:
        PeerError: it is unreadable, or of an enclave.
    """
    quote = Quote.parse(raw)
    if not isinstance(quote.body, TdReport):
        raise PeerError(
            "TEE type", got=f"{quote.header.tee_type:#x}", want="0x81 (TDX)", spec="tee §4.2"
        )
    return quote, quote.body


def claims_of(
    verified: VerifiedQuote, body: TdReport, entries: list[Details] | None
) -> dict[str, Any]:
    """Give all claims of a TD; ``uefi_event_logs`` only with a log."""
    claims = dcap_claims.td_claims_of(verified.quote, body, verified.platform.extension)
    claims |= dcap_claims.verification_claims(verified)
    return claims if entries is None else claims | {"uefi_event_logs": entries}


def _verify_event_log(
    trail: Trail, evidence: TdxEvidence, body: TdReport, options: TdxOptions
) -> list[Details] | None:
    raw = evidence.cc_eventlog
    if raw is None and options.event_log is EventLogRule.OPTIONAL:
        trail.skip(_EVENT_LOG, "no log came; option event_log=required refuses that")
        return None
    with trail.step(_EVENT_LOG) as step:
        return event_log.claims(event_log.verify(step, _present(step, raw), body))


def _present(step: Step, raw: bytes | None) -> bytes:
    if raw is None:
        raise step.refusal(
            claim="cc_eventlog",
            got="none",
            expected="a log, as option event_log=required asks",
            remedy="let the guest read its CCEL table",
        )
    return raw
