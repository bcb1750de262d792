"""What an operator may loosen or tighten for Intel's evidence: ``tdx.NAME=VALUE``, ``sgx.…``."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

import msgspec

INTEL_SERVICE: Final = "https://api.trustedservices.intel.com/sgx/certification/v4/"
"""Intel's Provisioning Certification Service, version 4 (tee §4.4)."""


class TcbUpdate(StrEnum):
    """Which of Intel's two TCB evaluations counts: the newest, or the one most have reached."""

    EARLY = "early"
    STANDARD = "standard"


class DcapOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Those of every quote of Intel's: time and source of collateral, authentication data."""

    collateral_grace_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 7
    """Days for which expired TCB info, QE identity and revocation lists still serve. Intel renews
    all of them every 30 days or sooner, and a cache of ours asks daily; a week bridges an outage.
    Claim ``collateral_expiration_status`` is "1" from the first second, so a policy can be
    stricter. Certificates have no grace."""
    allow_future_crl: bool = False
    """Use a revocation list that was issued after the time of verification: for looking at old
    evidence, whose lists of that day nobody kept."""
    allow_other_auth_data: bool = False
    """Accept authentication data of the quoting enclave that is not 32 bytes long. Whatever its
    length, the enclave's report must bind it; Intel's own enclave always writes 32."""
    tcb_update_type: TcbUpdate = TcbUpdate.EARLY
    """Which evaluation is asked for, and preferred where both are at hand."""
    collateral_service: str = INTEL_SERVICE
    """Base URL for SGX of Intel's service or of a cache (PCCS); TDX's follows from it. A
    ``file://`` URL fetches nothing: the file is given as collateral."""

    @property
    def grace(self) -> timedelta:
        return timedelta(days=self.collateral_grace_days)


class TdOptions(DcapOptions, frozen=True, kw_only=True):
    """Those of every quote of Intel's, require_septve_disable, allow_unknown_attributes."""

    require_septve_disable: bool = True
    """Refuse a TD into which the host may inject #VE by taking pages away."""
    allow_unknown_attributes: bool = False
    """Accept attributes that are newer than this program, and leave them to the policy."""
