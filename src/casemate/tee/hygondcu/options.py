"""What an operator may change for Hygon's accelerators."""

import msgspec

from casemate.tee.hygon.collateral import SERVICE


class DcuOptions(msgspec.Struct, frozen=True):
    """Options of TEE ``hygondcu``."""

    url: str = SERVICE
    """Hygon's certificate service, or a mirror: ``{url}/hrk``, ``{url}/hsk_cek?snumber=...``."""
