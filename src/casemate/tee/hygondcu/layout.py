"""DCU evidence as a person reads it."""

from casemate.tee.hygondcu.report import FORM, parse
from casemate.tee.layout import Section


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it; PeerError where it cannot be read."""
    return tuple(
        Section(f"report {index}: chip {report.chip}", FORM.fields(report.raw))
        for index, report in enumerate(parse(raw))
    )
