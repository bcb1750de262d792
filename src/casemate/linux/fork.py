"""A second process of ours, by fork: it has all that is loaded already, and shares that memory.

Imports next to nothing: the guest forks before it has loaded anything.
"""

import os
from collections.abc import Callable
from typing import Final

FAILED: Final = 70
"""Status of a process whose function raised; sysexits(3), EX_SOFTWARE."""


def begin(run: Callable[[], int]) -> int:
    """Run a function in a process of its own, which ends with what it gives as its status.

    Only where we have one thread and no event loop yet: a fork copies neither. Whoever calls waits
    for the process (``linux.child.wait``). ``run`` tells of its own errors; here they are only a
    status, since nothing that was set up for the parent may be unwound a second time.

    Returns:
        The new process's id.
    """
    pid = os.fork()
    if pid:
        return pid
    status = FAILED
    try:
        status = run()
    finally:
        os._exit(status)


def join(process: int, what: str) -> None:
    """Wait for a process of :func:`begin` where there is no event loop.

    Raises:
        HostError: it ended with another status than 0; ``what`` says what it was to do.
    """
    from casemate.errors import HostError

    _, status = os.waitpid(process, 0)
    if status != 0:
        code = os.waitstatus_to_exitcode(status)
        raise HostError(what, got=f"a process that ended with status {code}", want="status 0")
