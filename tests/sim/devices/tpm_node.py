"""A TPM's device node: a terminal whose other end hands each command to an emulated TPM."""

import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread

from casemate.linux.tpm import Transport

_LARGEST = 4096


class Guarded:
    """A transport that a node and a test may use at once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = Lock()

    def transmit(self, command: bytes) -> bytes:
        with self._lock:
            return self._transport.transmit(command)


@contextmanager
def tpm_node(path: Path, transport: Transport) -> Iterator[None]:
    """Put a node at ``path`` (a link) for the length of the block."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.ttyname(theirs))

    def serve() -> None:
        while (command := os.read(ours, _LARGEST)) != b"end":
            while len(command) < int.from_bytes(command[2:6], "big"):
                command += os.read(ours, _LARGEST)
            os.write(ours, transport.transmit(command))

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.write(theirs, b"end")
        thread.join()
        path.unlink()
        os.close(ours)
        os.close(theirs)
