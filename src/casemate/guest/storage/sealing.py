"""The scratch disk, as the initrd's program seals it beside all else (podvm/initrd/scratch.c)."""

from enum import IntEnum

from casemate.errors import HostError


class Outcome(IntEnum):
    """How the process that seals ended: its exit status."""

    SEALED = 0
    ABSENT = 3
    """This machine has no scratch disk."""


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
