"""Evidence of the sample device. It has no root: whoever turns it on accepts anybody's."""

from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.tee.sample.report import SampleEvidence
from casemate.tee.sampledevice.report import SVN, TEE
from casemate.tee.simulation import REPORT_DATA, Changes, Simulated

FIELDS: Final = MappingProxyType(
    {"report_data": "hex; what the evidence is bound to", "svn": "text"}
)


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make sample device evidence."""
    data = changes.data("report_data", REPORT_DATA)
    evidence = SampleEvidence(changes.text("svn", SVN), data)
    return Simulated(tee=TEE, evidence=msgspec.json.encode(evidence), report_data=data, now=now)
