"""Processes that somebody else started and the kernel gave to us: waited for by their pidfd."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux import libc

SIGNALLED: Final = 128
"""Added to a signal's number to make an exit status, as shells do."""


def adopt_orphans() -> None:
    """Become the parent of what our descendants leave behind, as process 1 is anyway."""
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)


async def wait(pid: int) -> int:
    """Wait for the end of a child and reap it: its exit code, or 128 plus a signal's number.

    Raises:
        HostError: it is no child of ours.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        raise HostError(f"process {pid}", got=error, want="a child of ours") from error
    try:
        await _readable(descriptor)
        return _reap(pid, descriptor)
    finally:
        os.close(descriptor)


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal (proc(5), SigCgt)."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        loop.remove_reader(descriptor)
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, end)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)


def _reap(pid: int, descriptor: int) -> int:
    try:
        result = os.waitid(os.P_PIDFD, descriptor, os.WEXITED)
    except ChildProcessError as error:
        raise HostError(f"process {pid}", got="no child of ours", want="a child") from error
    if result is None:
        raise HostError(f"process {pid}", got="still running", want="its end")
    if result.si_code == os.CLD_EXITED:
        return result.si_status
    return SIGNALLED + result.si_status
