"""Log lines of the guest: they reach the console, so errors show their type and place alone."""

import logging
from types import TracebackType
from typing import TypeAlias

from casemate.guest.console import kind_and_place

_ExceptionInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class LogFormatter(logging.Formatter):
    """Formats records; the text of an unexpected error may hold anything, so it stays inside."""

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802  # the library's name
        """Say what kind of error it was, and where."""
        return "no error" if ei[1] is None else kind_and_place(ei[1])


def configure() -> None:
    """Send warnings of this process to standard error, which is the console, in that form."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
