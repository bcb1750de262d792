"""What an operator may loosen or tighten for ``az-tdx-vtpm``."""

from casemate.tee.azure.evidence import NEWEST
from casemate.tee.azure.options import MinVersion
from casemate.tee.dcap.options import TdOptions


class AzTdxOptions(TdOptions, frozen=True, kw_only=True):
    """min_version 0-2, those of every quote of Intel's and of a TD's."""

    min_version: MinVersion = NEWEST
    """Oldest version of evidence that is accepted. Below 2 the paravisor's report is not bound to
    the session: a report of earlier is as good as one of now, and only the quote is fresh."""
    require_septve_disable: bool = False
    """Azure starts its TDs without that attribute: the paravisor, and not the guest's kernel, meets
    the #VE that it is about. Bare TDX (option ``tdx.require_septve_disable``) asks for it."""
