"""What an operator may loosen or tighten for SGX: ``sgx.NAME=VALUE``."""

from casemate.tee.dcap.options import DcapOptions


class SgxOptions(DcapOptions, frozen=True, kw_only=True):
    """collateral_grace_days, allow_future_crl, tcb_update_type, collateral_service."""
