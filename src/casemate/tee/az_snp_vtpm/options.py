"""What an operator may loosen or tighten for ``az-snp-vtpm``."""

from typing import Annotated

import msgspec

from casemate.tee.azure.evidence import NEWEST
from casemate.tee.azure.options import MinVersion
from casemate.tee.snp.report import OLDEST_WITH_MODEL, VERSIONS


class AzSnpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """min_version 0-2, min_report_version 2-5, require_revocation_lists true/false, kds_url."""

    min_version: MinVersion = NEWEST
    """Oldest version of evidence that is accepted. Below 2 the paravisor's report is not bound to
    the session: a report of earlier is as good as one of now, and only the quote is fresh."""
    min_report_version: Annotated[int, msgspec.Meta(ge=VERSIONS.start, le=VERSIONS.stop - 1)] = (
        OLDEST_WITH_MODEL
    )
    """Oldest version of AMD's report. Version 2 does not say which processor made it: the
    certificate alone does."""
    require_revocation_lists: bool = False
    """Refuse when there is no valid list of the ARK."""
    kds_url: str = "https://kdsintf.amd.com"
    """AMD's key service, or a mirror of it."""
