"""Importing less: what libraries load and a guest does not use, or not yet. Half of all importing.

Emulated, an import costs fifteen times what it costs elsewhere, and a pod waits for all of them.
Four ways, each before anything else is imported:

- ``UNUSED`` are for features that no code of the guest touches (pure-Python protobuf, SSH keys,
  decimal numbers, UUIDs, bzip2). A stand-in takes the place: it gives a class for any name that is
  asked of it, so that ``from x import y`` works, and None for any constant of that. Nothing else.
- ``LATER`` are used now and then: loaded when something is first asked of them.
- ``dataclass`` leaves a class as it is. It writes and compiles source for methods, here for h11's
  events alone, which bring the one method that is used.
- Constants of C modules (``ssl``, ``socket``, ``signal``) stay numbers; making an enumeration of
  each of them is half of what these modules cost.
"""

import enum
import sys
from collections.abc import Callable
from importlib import import_module
from types import CodeType, ModuleType
from typing import Any, Final

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

LATER: Final = (
    "fnmatch",
    "inspect",
    "ipaddress",
    "json",
    "linecache",
    "locale",
    "ntpath",
    "textwrap",
)

_CO_COROUTINE: Final = 0x80


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


class Later(ModuleType):
    """A module that is loaded when a name of it is first asked for; whoever has it, has it then."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system looks for
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def leave_out() -> None:
    """Put the stand-ins in place; called before anything else is imported."""
    for name in UNUSED:
        sys.modules.setdefault(name, Absent(name))
    for name in LATER:
        sys.modules.setdefault(name, Later(name))
    sys.modules["inspect"].iscoroutinefunction = _is_coroutine  # type: ignore[attr-defined]
    plain = ModuleType("dataclasses")
    plain.dataclass = _as_it_is  # type: ignore[attr-defined]
    sys.modules.setdefault("dataclasses", plain)
    enum.EnumType._convert_ = _numbers  # type: ignore[attr-defined]  # see above


def _as_it_is(**_options: bool) -> Callable[[type], type]:
    return lambda cls: cls


def _numbers(
    _cls: type,
    name: str,
    module: str,
    keep: Callable[[str], bool],
    source: ModuleType | None = None,
) -> type:
    """Do what ``enum`` does for a module's constants, but leave them what they are.

    The enumeration's name is a kind of number with the constants as attributes, so that
    ``Name(value)`` and ``Name.CONSTANT`` work; a number has no ``name``.
    """
    there = vars(sys.modules[module])
    constants = {
        key: value for key, value in vars(source or sys.modules[module]).items() if keep(key)
    }
    members = {"__new__": _number, "__module__": module, "__members__": constants}
    made = type(name, (int,), {**constants, **members})
    there.update(constants)
    there[name] = made
    return made


def _is_coroutine(function: object) -> bool:
    """Answer what asyncio asks of each signal handler: no reason to load all of ``inspect``."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & _CO_COROUTINE)


def _number(cls: type[int], value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(value)  # noqa: TRY004  # as an enumeration would: signal asks this of handlers
    return int.__new__(cls, value)


def _refuse(self: object, *_arguments: object, **_named: object) -> None:
    raise NotImplementedError(f"{type(self).__name__} is left out of the guest")
