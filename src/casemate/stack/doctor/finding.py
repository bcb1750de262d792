"""One thing looked at on this machine."""

from enum import StrEnum

import msgspec


class Grade(StrEnum):
    """How a finding stands: only ``missing`` keeps the stack from working."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, what was found, and what to do where that is not enough."""

    name: str
    grade: Grade
    found: str
    remedy: str = ""
    packages: tuple[str, ...] = ()
    """Debian packages that mend it."""
