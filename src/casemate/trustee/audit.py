"""Audit lines: who did what, with which outcome. Names and paths; never a value, never a token."""

import logging
from typing import Final

import msgspec

_LOG: Final = logging.getLogger("casemate.audit")


def record(event: str, *, outcome: str, peer: str = "", **members: str) -> None:
    """Write one line: ``event`` as ``resource.get``, then JSON."""
    if _LOG.isEnabledFor(logging.INFO):
        line = {"event": event, "outcome": outcome, "peer": peer, **members}
        _LOG.info("%s", msgspec.json.encode(line).decode())
