"""Importing less: what libraries load and a guest does not use, or not yet. Most of it.

Emulated, an import costs fifteen times what it costs elsewhere, and a pod waits for all of them.
Each way is put in place before anything else is imported:

- what no code of the guest touches is not there (``absent.py``);
- what is used now and then is loaded when something is first asked of it (``later.py``, and for
  log lines ``log.py``), messages of protobuf too (``messages.py``);
- what is there twice, in Python and in C, is there in C alone (``datetime``);
- constants of C modules stay numbers, where an enumeration of each is half of what these modules
  cost (``constants.py``);
- ``dataclass`` leaves a class as it is. It writes and compiles source for methods, here for h11's
  events alone, which bring the one method that is used;
- ``namedtuple`` makes its class without compiling source for it (``guest/named_tuples.py``);
- type hints that are text are not compiled before somebody asks for their value, which nobody does.

The image's byte code is made for this as well: without docstrings, annotations of functions, and
columns of lines (podvm/compiler.py).
"""

import enum
import sys
import typing
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from casemate.guest import named_tuples
from casemate.guest.lean import absent, constants, later, log, messages

__all__ = ["leave_out"]


def leave_out() -> None:
    """Put the stand-ins in place; called before anything else is imported."""
    named_tuples.put_in_place()  # process 1 has done so, before it came here
    for name in absent.UNUSED:
        sys.modules.setdefault(name, absent.Absent(name))
    for name, known in later.LATER.items():
        sys.modules.setdefault(name, later.Later(name, known))
    sys.modules.setdefault("logging", log.LaterLogging())
    sys.modules.setdefault("datetime", import_module("_datetime"))
    sys.modules.setdefault(messages.NAME, messages.builder())
    sys.modules.setdefault(messages.WELL_KNOWN, messages.well_known())
    plain = ModuleType("dataclasses")
    plain.dataclass = _as_it_is  # type: ignore[attr-defined]
    sys.modules.setdefault("dataclasses", plain)
    typing.compile = _as_text  # type: ignore[attr-defined]  # else it makes a hundred classes of ast
    enum.EnumType._convert_ = constants.numbers  # type: ignore[attr-defined]
    enum._simple_enum = constants.plain  # type: ignore[attr-defined]  # noqa: SLF001  # as ssl does


def _as_it_is(**_options: bool) -> Callable[[type], type]:
    return lambda cls: cls


def _as_text(text: str, *_: object) -> str:
    """Stand in for ``compile`` in ``typing``, which gives the result to ``eval`` alone."""
    return text
