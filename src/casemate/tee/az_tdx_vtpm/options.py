"""What an operator may loosen or tighten for ``az-tdx-vtpm``."""

from casemate.tee.azure.evidence import NEWEST
from casemate.tee.azure.options import MinVersion
from casemate.tee.dcap.options import TdAttributes, TdOptions


class AzTdxOptions(TdOptions, frozen=True, kw_only=True):
    """min_version 0-2, those of every quote of Intel's, attributes."""

    min_version: MinVersion = NEWEST
    """Oldest version of evidence that is accepted. Below 2 the paravisor's report is not bound to
    the session: a report of earlier is as good as one of now, and only the quote is fresh."""
    attributes: TdAttributes = TdAttributes.ANY
    """Azure starts its TDs without septve_disable, since the paravisor and not the guest's kernel
    meets what that attribute is about; so, other than for bare TDX, attributes beside debug and
    migration are left to the policy."""
