"""Modules that libraries import and a guest never uses: a third of all importing, left out.

Each name below is loaded by another module at import, for features that no code of the guest
touches (pure-Python protobuf, SSH keys, JSON schemas, decimal numbers, UUIDs, bzip2, sources for
tracebacks). A stand-in takes its place: it gives a class for any name that is asked of it, so that
``from x import y`` works, and that class gives None for any constant of it. Nothing else works.
"""

import sys
from types import ModuleType
from typing import Final

UNUSED: Final = (
    "ast",
    "bz2",
    "calendar",
    "decimal",
    "lzma",
    "random",
    "tokenize",
    "uuid",
    "google.protobuf.internal.python_message",
    "cryptography.hazmat.primitives.serialization.ssh",
    "msgspec._json_schema",
    "msgspec.inspect",
)


class Nothing(type):
    """The type of what is not there: its constants are None."""

    def __getattr__(cls, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class Absent(ModuleType):
    """A module that is not there; its names are classes which cannot be instantiated."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = Nothing(name, (), {"__init__": _refuse})
        setattr(self, name, made)
        return made


def leave_out() -> None:
    """Put the stand-ins in place; called before anything else is imported."""
    for name in UNUSED:
        sys.modules.setdefault(name, Absent(name))


def _refuse(self: object, *_arguments: object, **_named: object) -> None:
    raise NotImplementedError(f"{type(self).__name__} is left out of the guest")
