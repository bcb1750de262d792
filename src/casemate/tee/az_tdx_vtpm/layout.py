"""Evidence of ``az-tdx-vtpm`` as a person reads it: the quote, the paravisor's report, Intel's."""

from casemate.tee.az_tdx_vtpm.report import TD_REPORT_SIZE, parse
from casemate.tee.azure import layout as azure
from casemate.tee.azure.hcl import Kind
from casemate.tee.dcap import layout as dcap
from casemate.tee.layout import Section
from casemate.tee.tdx.tdreport import TDREPORT
from casemate.tee.tdx.verifier import parse_quote


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw evidence (JSON), or a paravisor's report alone; PeerError where it is neither."""
    return azure.sections(
        raw, kind=Kind.TDX, read=parse, hardware=_td_report, endorsement=_td_quote
    )


def _td_report(raw: bytes) -> tuple[Section, ...]:
    return (TDREPORT.draw(TDREPORT.split(raw[:TD_REPORT_SIZE])),)


def _td_quote(raw: bytes) -> tuple[Section, ...]:
    quote, _ = parse_quote(raw)
    return dcap.sections(quote)
