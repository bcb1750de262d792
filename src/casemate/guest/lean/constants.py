"""Constants of the C modules ``ssl``, ``socket`` and ``signal``: they stay numbers."""

import enum
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

_written_plain: Final[Callable[..., Callable[[type], type]]] = enum._simple_enum  # type: ignore[attr-defined]  # noqa: SLF001  # as ssl does


def numbers(
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


def _number(cls: type[int], value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(value)  # noqa: TRY004  # as an enumeration would: signal asks this of handlers
    return int.__new__(cls, value)


def plain(kind: type, **options: Any) -> Callable[[type], type]:
    """Do what ``enum`` does for enumerations that are written as plain classes, but not for ssl's.

    Nearly all of their seventy members are names for a trace of TLS messages that nobody asks for.
    """
    as_enum = _written_plain(kind, **options)
    return lambda cls: _numbers_of(cls) if cls.__module__ == "ssl" else as_enum(cls)


def _numbers_of(cls: type) -> type:
    constants = {key: value for key, value in vars(cls).items() if type(value) is int}
    members = {"__new__": _number, "__module__": cls.__module__, "__members__": constants}
    return type(cls.__name__, (int,), {**constants, **members})
