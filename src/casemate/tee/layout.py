"""Evidence as a person reads it: every field with its place, its bytes and what they mean.

Nothing here verifies: a layout may be drawn of evidence that is refused, and should be.
"""

from collections.abc import Callable

import msgspec


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field. ``offset`` and ``size`` are bytes from the section's begin; None in JSON."""

    name: str
    value: str
    """As people write it: hex of raw bytes, a number, a date."""
    meaning: str = ""
    offset: int | None = None
    size: int | None = None


class Section(msgspec.Struct, frozen=True):
    """A part of the evidence: a report, a certificate, a log."""

    title: str
    fields: tuple[Field, ...]


Layout = Callable[[bytes], tuple[Section, ...]]
"""Evidence (JSON of the wire, or binary) → its sections.

Raises PeerError where it cannot be read.
"""
