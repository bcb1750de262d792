"""Log lines of the guest: they reach the console, so errors show their type and place alone."""

import asyncio
import logging
from types import TracebackType
from typing import Any, TypeAlias

from casemate.guest.console import kind_and_place

_ExceptionInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)
_log = logging.getLogger(__name__)


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


def tell_lost_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that nobody awaited; asyncio itself would print the text of it."""
    error = context.get("exception")
    said = "no error" if error is None else kind_and_place(error)
    _log.error("%s: %s", context.get("message", "event loop"), said)
