"""The event loop of a guest's process: how it waits for programs, what it says of lost errors."""

import asyncio

from casemate.guest import log_lines


def prepare() -> None:
    """Set up the running loop.

    Programs are waited for by descriptors, not by a thread for each.
    """
    log_lines.configure()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_lines.tell_lost_error)
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(loop)
    asyncio.get_event_loop_policy().set_child_watcher(watcher)
