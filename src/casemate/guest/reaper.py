"""Process 1's duty: children that nobody else waits for.

Whoever starts a program waits for it. What containers leave behind is adopted by process 1 and has
no such parent, so a zombie that is still there on the second look belongs to nobody.
"""

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_SECOND_LOOK: Final = 20.0
"""Seconds. Owners reap within milliseconds, on an overloaded emulator within a few seconds."""


class Reaper:
    """Waits for orphans; install it once, on the loop of process 1."""

    def __init__(self, *, second_look: float = _SECOND_LOOK) -> None:
        self._second_look = second_look
        self._seen: frozenset[int] = frozenset()
        self._timer: asyncio.TimerHandle | None = None

    def install(self) -> None:
        """Look for zombies whenever a child has ended."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.wake)

    def wake(self) -> None:
        """Look after a while, and again after another."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._second_look, self._look)

    def _look(self) -> None:
        self._timer = None
        found = frozenset(zombies())
        for pid in found & self._seen:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._seen = found - self._seen
        if self._seen:
            self.wake()


def zombies() -> Iterable[int]:
    """Pids of our children that have ended and were not waited for."""
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if _is_zombie(pid):
                yield int(pid)


def _is_zombie(pid: str) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False  # waited for meanwhile
    return stat[stat.rindex(")") + 2] == "Z"
