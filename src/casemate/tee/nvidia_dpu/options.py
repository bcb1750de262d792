"""What an operator may tighten or loosen for DPUs: ``nvidia-dpu.NAME=VALUE``."""

from typing import Annotated

import msgspec


class NvidiaDpuOptions(msgspec.Struct, frozen=True, kw_only=True):
    """max_cert_age_secs 1-31536000."""

    max_cert_age_secs: Annotated[int, msgspec.Meta(ge=1, le=31_536_000)] = 3600
    """Seconds since the alias certificate's begin: how long ago the device may have started. A
    device makes its alias key at each start, for the firmware that it then measured."""
