"""SGX evidence as a person reads it."""

from casemate.tee.dcap import layout as dcap
from casemate.tee.layout import Section
from casemate.tee.sgx.report import SgxEvidence
from casemate.tee.sgx.verifier import parse_quote


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it; PeerError where it cannot be read."""
    quote, _ = parse_quote(SgxEvidence.parse(raw).quote)
    return dcap.sections(quote)
