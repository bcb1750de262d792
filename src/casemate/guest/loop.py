"""The event loop of a guest's process: how it waits for programs, what it says of lost errors."""

import asyncio
import logging
from typing import Any

from casemate.guest.console import kind_and_place

_log = logging.getLogger(__name__)


def prepare() -> None:
    """Set up the running loop.

    Programs are waited for by descriptors, not by a thread for each.
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_lost_error)
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(loop)
    asyncio.get_event_loop_policy().set_child_watcher(watcher)


def tell_lost_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that nobody awaited; asyncio itself would print the text of it."""
    error = context.get("exception")
    said = "no error" if error is None else kind_and_place(error)
    _log.error("%s: %s", context.get("message", "event loop"), said)
