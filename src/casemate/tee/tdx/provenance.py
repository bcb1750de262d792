"""Which part of TDX evidence each claim was read from."""

from types import MappingProxyType
from typing import Final

from casemate.tee.dcap import claims
from casemate.tee.dcap.bodies import TD_REPORT_15
from casemate.tee.dcap.quote import DESCRIPTOR, HEADER_V4

_ROOMS: Final = MappingProxyType(
    {
        "td_attributes": "quote body td_attributes",
        "report_data": "quote body report_data",
        "init_data": "quote body mr_config_id",
        "uefi_event_logs": "cc_eventlog, explained by quote body rtmr_0 to rtmr_3",
    }
)
_QUOTE: Final = MappingProxyType(
    {f"quote.header.{name}": f"quote header {name}" for name in HEADER_V4.names}
    | {f"quote.body.{name}": f"quote body {name}" for name in TD_REPORT_15.names}
    | {f"quote.{name}": f"quote body descriptor {name}" for name in DESCRIPTOR.names}
)


def evidence_field(claim: str) -> str:
    """Name the part of TDX evidence that a claim (dotted) comes from; empty if none."""
    room = claim.partition(".")[0]
    return _QUOTE.get(claim) or _ROOMS.get(room) or claims.evidence_field(claim)
