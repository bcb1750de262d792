"""Sample device evidence as a person reads it."""

from casemate.tee.evidence import parse_json
from casemate.tee.layout import Field, Section
from casemate.tee.sample.report import SampleEvidence
from casemate.tee.sampledevice.report import TEE


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it; PeerError where it cannot be read."""
    evidence = parse_json(raw, SampleEvidence, TEE)
    return (
        Section(
            "sample device evidence",
            (
                Field(name="svn", value=evidence.svn, meaning="version of the form"),
                Field(
                    name="report_data",
                    value=evidence.report_data.hex(),
                    meaning="what it is bound to; nothing signs it",
                ),
            ),
        ),
    )
