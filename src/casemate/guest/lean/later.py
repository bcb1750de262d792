"""Modules that are loaded when something is first asked of them; whoever has one, has it then."""

import _hashlib
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import CodeType, ModuleType
from typing import Any, Final

_CO_COROUTINE: Final = 0x80


def _is_coroutine(function: object) -> bool:
    """Answer what asyncio asks of each signal handler: no reason to load all of ``inspect``."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & _CO_COROUTINE)


def _function(module: str, name: str) -> Callable[..., object]:
    """Stand in for a function that others import by name, and seldom call."""

    def call(*arguments: object, **named: object) -> object:
        return getattr(import_module(module), name)(*arguments, **named)

    return call


LATER: Final[Mapping[str, Mapping[str, object]]] = {
    "ctypes": {},
    "fnmatch": {},
    "hashlib": {
        "new": _hashlib.new,
        "sha1": _hashlib.openssl_sha1,
        "sha256": _hashlib.openssl_sha256,
        "sha384": _hashlib.openssl_sha384,
        "sha512": _hashlib.openssl_sha512,
    },
    "inspect": {"iscoroutinefunction": _is_coroutine},
    "ipaddress": {},
    "json": {},
    "linecache": {},
    "locale": {},
    "ntpath": {},
    "shutil": {},
    "subprocess": {"PIPE": -1, "STDOUT": -2, "DEVNULL": -3},
    "termios": {},
    "textwrap": {},
    "traceback": {"extract_stack": _function("traceback", "extract_stack")},
    "urllib.parse": {"quote_from_bytes": _function("urllib.parse", "quote_from_bytes")},
}
"""Module → what of it can be had without loading it: others ask for that when imported."""


class Later(ModuleType):
    """Stands in for a module until a name of it is asked for."""

    def __init__(self, name: str, known: Mapping[str, object]) -> None:
        super().__init__(name)
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system looks for
            raise AttributeError(name)
        return getattr(self.load(), name)

    def load(self) -> ModuleType:
        """Give the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return import_module(self.__name__)
