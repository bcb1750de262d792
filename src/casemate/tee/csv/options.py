"""What an operator may change for CSV."""

from typing import Literal

import msgspec

from casemate.tee.hygon.collateral import SERVICE


class CsvOptions(msgspec.Struct, frozen=True):
    """Options of TEE ``csv``; the defaults are strict."""

    url: str = SERVICE
    """Hygon's certificate service, or a mirror: ``{url}/hrk``, ``{url}/hsk_cek?snumber=...``."""
    event_log: Literal["required", "optional"] = "required"
    """Whether a version 2 report whose registers were extended needs the log that explains it."""
    require_mac: bool = False
    """Refuse evidence whose MAC can no longer be computed. Off, since upstream's attester erases
    what the MAC covers; the MAC's key stands in the report and so proves no origin."""
    require_nosend: bool = False
    """Refuse guests that may be sent to another of Hygon's platforms (policy bit 3). Off, since
    guests are commonly started so; their policy is among the claims."""
