"""Terminals: the master side that a container runtime sends us, and its size."""

import asyncio
import fcntl
import os
import socket
import struct
import termios
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from casemate.errors import HostError

_LONGEST_WAIT: Final = 30.0  # seconds


class ConsoleSocket:
    """A socket on which a runtime hands over one terminal (runtime-spec, console socket)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(path))
        self._socket.listen(1)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        with suppress(FileNotFoundError):
            self.path.unlink()

    async def receive(self) -> int:
        """Take the terminal's descriptor.

        Raises:
            HostError: none came.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                peer, _ = await loop.sock_accept(self._socket)
        except TimeoutError as error:
            raise HostError("terminal", got="none", want="one from the runtime") from error
        with peer:
            peer.setblocking(True)
            peer.settimeout(_LONGEST_WAIT)
            _, descriptors, _, _ = socket.recv_fds(peer, 4096, 1)
        if not descriptors:
            raise HostError("terminal", got="a message without it", want="a descriptor")
        os.set_inheritable(descriptors[0], False)
        return descriptors[0]


def resize(descriptor: int, *, rows: int, columns: int) -> None:
    """Set the size of a terminal, in characters (at most 65535 each)."""
    size = struct.pack("=4H", min(rows, 0xFFFF), min(columns, 0xFFFF), 0, 0)
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, size)
