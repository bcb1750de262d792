"""Modules that are not there: for features that no code of the guest touches.

A stand-in takes the place: it gives a class for any name that is asked of it, so that ``from x
import y`` works, and None for any constant of that. Nothing else.
"""

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
    "google.protobuf.descriptor_database",
    "google.protobuf.text_encoding",
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


def _refuse(self: object, *_arguments: object, **_named: object) -> None:
    raise NotImplementedError(f"{type(self).__name__} is left out of the guest")
