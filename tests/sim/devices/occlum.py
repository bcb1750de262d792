"""Occlum's ``/dev/sgx``: quotes of an enclave."""

import errno
import struct
from collections.abc import Callable
from pathlib import Path

from casemate.linux import sgx
from tests.sim.devices.memory import read, refused, write


class FakeOcclum:
    """The device: report data (64 bytes) → quote."""

    def __init__(self, quote: Callable[[bytes], bytes]) -> None:
        self._quote = quote
        self.failure: int | None = None
        self.size: int | None = None

    def open(self, _path: Path) -> "FakeOcclum":
        return self

    def close(self) -> None:
        pass

    def ioctl(self, request: int, argument: bytearray) -> None:
        if self.failure is not None:
            raise refused(self.failure)
        if request == sgx.QUOTE_SIZE:
            size = len(self._quote(bytes(64))) if self.size is None else self.size
            argument[:] = struct.pack("<I", size)
        elif request == sgx.MAKE_QUOTE:
            data, size_at, quote_at = struct.unpack("<QQQ", argument)
            quote = self._quote(read(data, 64))
            (room,) = struct.unpack("<I", read(size_at, 4))
            if room < len(quote):
                raise refused(errno.EINVAL)
            write(quote_at, quote)
            write(size_at, struct.pack("<I", len(quote)))
        else:
            raise refused(errno.ENOTTY)
