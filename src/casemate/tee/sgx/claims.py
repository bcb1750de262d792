"""Claims of SGX evidence: upstream's names and forms (tee §4.6), and their sources."""

from typing import Any

from casemate.tee.dcap import claims
from casemate.tee.dcap.bodies import SGX_REPORT, SgxReport
from casemate.tee.dcap.pck import PckExtension
from casemate.tee.dcap.quote import HEADER_V3, Quote


def quote_claims(quote: Quote, body: SgxReport, extension: PckExtension) -> dict[str, Any]:
    """Give what an enclave's quote says, without what verification found."""
    return {
        "header": claims.header_claims(quote),
        "body": body.record.hex(body.values),
        **claims.instance_claim(extension),
        "report_data": body.report_data.hex(),
        "init_data": body.config_id.hex(),
    }


def evidence_field(claim: str) -> str:
    """Name the part of SGX evidence that a claim (dotted) comes from; empty if none."""
    room, _, name = claim.partition(".")
    if room == "header" and name in HEADER_V3.names:
        return f"quote header {name}"
    if room == "body" and name in SGX_REPORT.names:
        return f"quote body {name}"
    own = {"report_data": "quote body report_data", "init_data": "quote body config_id"}
    return own.get(claim) or claims.evidence_field(claim)
