"""One holder at a time of a folder: an flock which the kernel drops when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casemate.errors import HostError


@contextmanager
def hold(file: Path, *, purpose: str) -> Iterator[None]:
    """Hold ``file`` for as long as the block runs; it names the holder's pid and purpose.

    The file stays when the block ends: removing it would let two holders lock two inodes.

    Raises:
        HostError: another process holds it; the message says which and what for.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, file)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {purpose}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, file: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid, _, purpose = os.pread(descriptor, 200, 0).decode(errors="replace").partition(" ")
        raise HostError(
            str(file.parent),
            got=f"in use by process {pid} ({purpose})",
            want="one command at a time on a state folder",
            remedy="Wait for it, or give another folder with --state.",
        ) from error
