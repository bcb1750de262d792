"""The ``logging`` of a guest that has nothing to log yet.

Loggers are asked for by many modules as they are imported, and most never log a line. The library
is loaded, and set up as the guest wants it (``guest/log_lines.py``), with the first line that is
a warning or worse.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from casemate.guest.lean.later import Later

_DEBUG: Final = 10
_INFO: Final = 20


class LaterLogging(Later):
    """Stands in for ``logging``."""

    def __init__(self) -> None:
        super().__init__("logging", {"getLogger": Logger, "DEBUG": _DEBUG, "INFO": _INFO})

    def load(self) -> ModuleType:
        """Give the library, set up."""
        library = super().load()
        import_module("casemate.guest.log_lines").configure()
        return library


class Logger:
    """Stands in for a logger; what is less than a warning goes nowhere, as when it is set up."""

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, *_arguments: object, **_named: object) -> None:
        """Log nothing."""

    info = debug

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # the library's name
        """Say whether a line of this level goes anywhere."""
        return level > _INFO

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        library = sys.modules["logging"]
        loaded = library.load() if isinstance(library, LaterLogging) else library
        return getattr(loaded.getLogger(self._name), name)
