"""The scratch disk is sealed by a process of its own, beside all that happens before it is needed.

A process, not a thread: imports hold the interpreter's lock, so a thread would get little done.
"""

import os
from enum import IntEnum
from typing import Final

from casemate.errors import HostError

_NICENESS: Final = 10
"""What a pod needs earlier goes first."""


class Outcome(IntEnum):
    """How the process ended: its exit status."""

    SEALED = 0
    ABSENT = 3
    """This machine has no scratch disk."""


def run() -> int:
    """Seal the disk, if there is one; this process is for nothing else.

    Raises:
        HostError: it cannot be sealed.
    """
    from casemate.guest.storage import scratch

    os.nice(_NICENESS)
    present = scratch.prepare_if_present()
    return Outcome.SEALED if present else Outcome.ABSENT


async def wait(process: int) -> bool:
    """Wait until the disk is sealed and mounted; False when there is none.

    Raises:
        HostError: it could not be sealed; why was told on the console.
    """
    from casemate.linux import child

    status = await child.wait(process)
    if status not in {*Outcome}:
        raise HostError("scratch disk", got=f"status {status}", want="a sealed disk")
    return status == Outcome.SEALED
