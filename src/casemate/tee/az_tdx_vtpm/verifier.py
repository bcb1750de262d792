"""Verifier of ``az-tdx-vtpm`` evidence, in the numbered steps of CHECKS (tee §7.3). Pure.

quote  --signed by-->  HCLAkPub  --in-->  variable data  --hashed in-->  TD quote
TD quote  --signed by-->  Intel's quoting enclave  --certified by-->  Intel's pinned root
"""

from typing import Final

from casemate.tee.az_tdx_vtpm.claims import claims
from casemate.tee.az_tdx_vtpm.options import AzTdxOptions
from casemate.tee.az_tdx_vtpm.report import TD_REPORT_SIZE, TEE, parse
from casemate.tee.azure import verifier as azure
from casemate.tee.azure.hcl import Kind
from casemate.tee.dcap.bodies import TdReport
from casemate.tee.dcap.quote import TeeType
from casemate.tee.dcap.verification import quote_checks, verify_quote
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence
from casemate.tee.tdx.tdreport import TdxReport
from casemate.tee.tdx.verifier import parse_quote
from casemate.tee.trail import Check, Step, Topic, Trail, table
from casemate.tee.vtpm.report import INIT_DATA_PCR

_T = Topic
TD_QUOTE: Final = len(azure.CHECKS) + 1
FIRST_OF_QUOTE: Final = TD_QUOTE + 1
_QUOTE_CHECKS: Final = quote_checks(FIRST_OF_QUOTE, TeeType.TDX)
_VARIABLE_DATA: Final = FIRST_OF_QUOTE + len(_QUOTE_CHECKS)
_TD_REPORT: Final = _VARIABLE_DATA + 1
_USER_DATA: Final = _TD_REPORT + 1
_INIT_DATA: Final = _USER_DATA + 1
CHECKS: Final = table(
    *azure.CHECKS,
    Check(
        TD_QUOTE, "td quote", _T.SHAPE, "TD quote of version 4 or 5; every length fits", "tee §4.2"
    ),
    *_QUOTE_CHECKS,
    Check(
        _VARIABLE_DATA,
        "variable data",
        _T.IDENTITY,
        "SHA-256 of the variable data, and zeros, is the report data of the TD quote",
        "tee §7.3",
    ),
    Check(
        _TD_REPORT,
        "td report",
        _T.IDENTITY,
        "the TDREPORT in the paravisor's report is the one that was quoted, field by field",
        "tee §7.3",
        ours=True,
    ),
    Check(
        _USER_DATA,
        "user data",
        _T.FRESHNESS,
        "all 64 bytes of the paravisor's user data are the report data and zeros",
        "tee §7.3",
    ),
    Check(
        _INIT_DATA,
        "initdata",
        _T.INIT_DATA,
        "PCR 8 = SHA256(zeros, digest)",
        "tee §1.2: PCR 8 = SHA256(zeros, digest)",
    ),
)
_SAME: Final = (
    *("report_data", "xfam", "mr_td", "mr_config_id", "mr_owner", "mr_owner_config"),
    *("rtmr_0", "rtmr_1", "rtmr_2", "rtmr_3"),
)
"""Fields that TDREPORT and quote name alike."""
_SERVICE_SIZE: Final = 48


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify evidence (JSON, any version that the options accept) in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``az-tdx-vtpm.12 pck chain`` for instance.
        InputError: an option that cannot be meant.
    """
    own = inputs.options.of(TEE, AzTdxOptions)
    machine = azure.verify_quote(
        raw,
        trail,
        read=parse,
        kind=Kind.TDX,
        min_version=own.min_version,
        report_data=expected.report_data,
    )
    with trail.step(TD_QUOTE) as step:
        quote, body = parse_quote(machine.presented.endorsement)
        step.detail = f"version {quote.version}, {quote.body_type.name}, tail {quote.tail} bytes"
    verified = verify_quote(quote, inputs, own, trail, FIRST_OF_QUOTE)
    with trail.step(_VARIABLE_DATA) as step:
        azure.verify_binding(step, body.report_data, machine.hcl)
    with trail.step(_TD_REPORT) as step:
        _verify_td_report(step, machine.hcl.hardware_report, body)
    azure.verify_user_data(trail, _USER_DATA, machine, expected.report_data)
    azure.verify_init_data(trail, _INIT_DATA, machine.pcrs, expected.init_data)
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=claims(verified, body, machine),
            report_data=machine.quote.extra_data,
            init_data=machine.pcrs[INIT_DATA_PCR],
            chain=tuple(
                f"{one.common_name} {one.fingerprint.hex()}" for one in verified.platform.chain.path
            ),
        ),
    )


def _verify_td_report(step: Step, raw: bytes, body: TdReport) -> None:
    """Compare what both say. The TDREPORT's own MAC is for its CPU alone."""
    report = TdxReport.parse(raw[:TD_REPORT_SIZE])
    remedy = "the quote is of another report than the paravisor's"
    for name in _SAME:
        got, wanted = getattr(report, name), getattr(body, name)
        step.require_equal(f"{name} of the TDREPORT", got, wanted, remedy=remedy)
    step.require_equal(
        "attributes of the TDREPORT", report.attributes, body.td_attributes, remedy=remedy
    )
    if body.mr_servicetd is not None:
        service = report.reserved4[:_SERVICE_SIZE]
        step.require_equal("service TDs of the TDREPORT", service, body.mr_servicetd, remedy=remedy)
