"""What an operator may loosen for Azure's TEEs."""

from typing import Annotated

import msgspec

from casemate.tee.azure.evidence import NEWEST


class AzureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """min_version 0-2."""

    min_version: Annotated[int, msgspec.Meta(ge=0, le=NEWEST)] = NEWEST
    """Oldest version of evidence that is accepted. Below 2 the paravisor's report is not bound to
    the session: a report of earlier is as good as one of now, and only the quote is fresh."""
