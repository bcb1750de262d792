"""A disk as a hostile host can give it: what the guest reads is changed on its way.

The server's half of the NBD protocol (its ``doc/proto.md``: fixed newstyle, simple replies), for
one client, which is QEMU.
"""

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from threading import Thread
from typing import Protocol

Change = Callable[[int, bytes], bytes]
"""From an offset in bytes, and what lies there, to what the guest is given: as many bytes."""

_FIXED_NEWSTYLE, _NO_ZEROES = 1 << 0, 1 << 1
_GREETING = b"NBDMAGICIHAVEOPT" + struct.pack(">H", _FIXED_NEWSTYLE | _NO_ZEROES)
_OPTION = struct.Struct(">8sII")
_OPTION_GO = 7
_ANSWER = struct.Struct(">QIII")
_ANSWER_MAGIC = 0x3E889045565A9
_ACK, _INFO, _UNSUPPORTED = 1, 3, 1 << 31 | 1
_HAS_FLAGS, _SENDS_FLUSH = 1 << 0, 1 << 2
_REQUEST = struct.Struct(">IHHQQI")
_REPLY = struct.Struct(">IIQ")
_REPLY_MAGIC = 0x67446698
_INVALID = 22


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...


class _Command(IntEnum):
    READ = 0
    WRITE = 1
    DISCONNECT = 2
    FLUSH = 3


@dataclass
class HostileDisk:
    """An honest one, until it has a ``change``: asked for every read from then on."""

    url: str
    """For QEMU's ``file=``."""
    file: int
    size: int
    change: Change | None = None

    def serve(self, stream: _Stream) -> None:
        """Answer one client until it goes."""
        stream.write(_GREETING)
        stream.flush()
        stream.read(4)  # flags of the client: it could do without our answer to them
        while self._answer_option(stream) != _OPTION_GO:
            pass
        while head := stream.read(_REQUEST.size):
            _, _, command, handle, at, size = _REQUEST.unpack(head)
            if command == _Command.DISCONNECT:
                return
            self._answer(stream, command, handle, at, size)

    def _answer_option(self, stream: _Stream) -> int:
        _, option, size = _OPTION.unpack(stream.read(_OPTION.size))
        stream.read(size)
        if option == _OPTION_GO:
            facts = struct.pack(">HQH", 0, self.size, _HAS_FLAGS | _SENDS_FLUSH)
            stream.write(_ANSWER.pack(_ANSWER_MAGIC, option, _INFO, len(facts)) + facts)
        kind = _ACK if option == _OPTION_GO else _UNSUPPORTED
        stream.write(_ANSWER.pack(_ANSWER_MAGIC, option, kind, 0))
        stream.flush()
        return int(option)

    def _answer(self, stream: _Stream, command: int, handle: int, at: int, size: int) -> None:
        data, error = b"", 0
        match command:
            case _Command.READ:
                data = os.pread(self.file, size, at)
                data = self.change(at, data) if self.change else data
            case _Command.WRITE:
                os.pwrite(self.file, stream.read(size), at)
            case _Command.FLUSH:
                pass
            case _:
                error = _INVALID
        stream.write(_REPLY.pack(_REPLY_MAGIC, error, handle) + data)
        stream.flush()


@contextmanager
def hostile_disk(file: Path, size: int) -> Iterator[HostileDisk]:
    """Serve ``size`` bytes, kept in ``file``, on loopback until the end of the block."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.truncate(descriptor, size)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        disk = HostileDisk(f"nbd://127.0.0.1:{listener.getsockname()[1]}", descriptor, size)

        def serve() -> None:
            client, _ = listener.accept()
            with suppress(OSError, struct.error), client:  # QEMU may be killed in a sentence
                disk.serve(client.makefile("rwb"))

        server = Thread(target=serve, daemon=True)
        server.start()
        try:
            yield disk
        finally:
            server.join(timeout=10)
            os.close(descriptor)
