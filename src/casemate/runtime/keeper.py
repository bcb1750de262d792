"""A pod's keeper, as a process: ``python -m casemate.runtime.keeper STATE POD [--remove]``."""

import asyncio
import sys
from pathlib import Path

import msgspec

from casemate import logs
from casemate.runtime.keeping import keep
from casemate.runtime.sandbox import Sandboxes


def main(arguments: list[str]) -> None:
    """Keep one pod."""
    logs.configure()
    state, pod, *options = arguments
    asyncio.run(see_through(Path(state), pod, remove="--remove" in options))


async def see_through(state: Path, identity: str, *, remove: bool) -> None:
    """Keep one pod to its end and write how it ended; with ``remove``, forget it then."""
    sandboxes = Sandboxes(state)
    ended = await keep(sandboxes.pods, sandboxes.pods.read(identity))
    known = sandboxes.pods.read(identity)
    known = msgspec.structs.replace(
        known, state=ended.state, containers=ended.containers, message=ended.message
    )
    if remove:
        await sandboxes.remove(msgspec.structs.replace(known, keeper=None))
    else:
        sandboxes.pods.write(known)


if __name__ == "__main__":
    main(sys.argv[1:])
