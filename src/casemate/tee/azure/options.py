"""What an operator may loosen for both of Azure's TEEs."""

from typing import Annotated

import msgspec

from casemate.tee.azure.evidence import NEWEST

MinVersion = Annotated[int, msgspec.Meta(ge=0, le=NEWEST)]
"""Oldest version of evidence that is accepted: 0, 1 or 2."""
