"""TDX evidence as a person reads it."""

from casemate.tee.dcap import layout as dcap
from casemate.tee.layout import Field, Section
from casemate.tee.tdx.report import TdxEvidence
from casemate.tee.tdx.verifier import parse_quote


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it; PeerError where it cannot be read."""
    evidence = TdxEvidence.parse(raw)
    quote, _ = parse_quote(evidence.quote)
    log = evidence.cc_eventlog
    shown = "none" if log is None else f"{len(log)} bytes"
    meaning = "entries: casemate evidence eventlog"
    return (
        Section("evidence", (Field(name="cc_eventlog", value=shown, meaning=meaning),)),
        *dcap.sections(quote),
    )
