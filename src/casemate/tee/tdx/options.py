"""What an operator may loosen or tighten for TDX: ``tdx.NAME=VALUE``."""

from enum import StrEnum

from casemate.tee.dcap.options import TdOptions


class EventLogRule(StrEnum):
    """Whether a log must come with the quote. One that comes must replay, either way."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class TdxOptions(TdOptions, frozen=True, kw_only=True):
    """Those of every quote of Intel's, attributes, event_log."""

    event_log: EventLogRule = EventLogRule.OPTIONAL
    """Without a log a policy still has the RTMRs to compare; it only cannot say what is in them."""
