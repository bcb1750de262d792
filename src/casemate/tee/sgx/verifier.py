"""Verifier of SGX quotes (tee §4.5)."""

from typing import Final

from casemate.errors import PeerError
from casemate.tee.binding import verify_init_data, verify_report_data
from casemate.tee.dcap.bodies import SgxReport
from casemate.tee.dcap.claims import verification_claims
from casemate.tee.dcap.quote import Quote, TeeType
from casemate.tee.dcap.verification import quote_checks, verify_quote
from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence
from casemate.tee.sgx.claims import quote_claims
from casemate.tee.sgx.options import SgxOptions
from casemate.tee.sgx.report import TEE, SgxEvidence
from casemate.tee.trail import Check, Topic, Trail, table

_FIRST: Final = 2
_VERSION: Final = 3
_QUOTE_CHECKS: Final = quote_checks(_FIRST, TeeType.SGX)
_REPORT_DATA: Final = _FIRST + len(_QUOTE_CHECKS)
_INIT_DATA: Final = _REPORT_DATA + 1
CHECKS: Final = table(
    Check(1, "shape", Topic.SHAPE, "quote of version 3; every length fits", "tee §4.2"),
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
        "CONFIGID is the digest of the initdata, padded to 64 bytes",
        "tee §1.2",
    ),
)


def verify(
    raw: bytes, expected: Expectation, inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify SGX evidence (JSON of the wire, or a quote) in the steps of CHECKS.

    Raises:
        VerificationError: with the number of the step, ``sgx.9 quote signature`` for instance.
        InputError: an option cannot be meant.
    """
    options = inputs.options.of(TEE, SgxOptions)
    with trail.step(1) as step:
        quote, body = parse_quote(SgxEvidence.parse(raw).quote)
        step.detail = f"version {quote.version}, tail {quote.tail} bytes"
    verified = verify_quote(quote, inputs, options, trail, _FIRST)
    found = body.report_data
    verify_report_data(trail, _REPORT_DATA, expected.report_data, "report_data", len(found), found)
    verify_init_data(trail, _INIT_DATA, expected.init_data, "config_id", body.config_id)
    extension = verified.platform.extension
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims=quote_claims(quote, body, extension) | verification_claims(verified),
            report_data=body.report_data,
            init_data=body.config_id,
            chain=tuple(
                f"{one.common_name} {one.fingerprint.hex()}" for one in verified.platform.chain.path
            ),
        ),
    )


def parse_quote(raw: bytes) -> tuple[Quote, SgxReport]:
    """Read an enclave's quote.

    Raises:
        PeerError: it is unreadable, of a TD, or of another version than 3.
    """
    quote = Quote.parse(raw)
    if quote.version != _VERSION or not isinstance(quote.body, SgxReport):
        raise PeerError(
            "quote",
            got=f"version {quote.version}, TEE type {quote.header.tee_type:#x}",
            want="version 3 of an enclave",
            spec="tee §4.5",
        )
    return quote, quote.body
