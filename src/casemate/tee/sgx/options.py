"""What an operator may loosen or tighten for SGX: ``sgx.NAME=VALUE``."""

from casemate.tee.dcap.options import DcapOptions


class SgxOptions(DcapOptions, frozen=True, kw_only=True):
    """Those of every quote of Intel's."""
