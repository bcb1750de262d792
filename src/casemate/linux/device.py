"""Character devices that are spoken to by ioctl: the door, and memory with an address to pass it.

Numbers are those of Linux's generic encoding (``asm-generic/ioctl.h``): x86-64, Arm and s390 alike.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from casemate.errors import HostError

_WRITE: Final = 1
_READ: Final = 2


def iow(group: str, number: int, size: int) -> int:
    """Give the number of an ioctl whose argument of ``size`` bytes the kernel reads."""
    return _number(_WRITE, group, number, size)


def ior(group: str, number: int, size: int) -> int:
    """Give the number of an ioctl whose argument the kernel writes."""
    return _number(_READ, group, number, size)


def iowr(group: str, number: int, size: int) -> int:
    """Give the number of an ioctl whose argument the kernel reads and writes."""
    return _number(_WRITE | _READ, group, number, size)


def _number(direction: int, group: str, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord(group) << 8 | number


class Device(Protocol):
    """An open device."""

    def ioctl(self, request: int, argument: bytearray) -> None:
        """Make one request; the kernel may change ``argument`` in place.

        Raises:
            OSError: it refuses; ``argument`` may be changed even then.
        """
        ...

    def close(self) -> None: ...


Open = Callable[[Path], Device]
"""Opens a device.

Raises HostError where it cannot be opened.
"""


class CharacterDevice:
    """A device node, open for reading and writing."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            HostError: it cannot be opened.
        """
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(
                str(path),
                got=error.strerror or error,
                want="a device to open",
                remedy=_REMEDIES.get(error.errno or 0, ""),
            ) from error

    def ioctl(self, request: int, argument: bytearray) -> None:
        fcntl.ioctl(self._descriptor, request, argument, True)

    def close(self) -> None:
        os.close(self._descriptor)


_REMEDIES: Final = {
    errno.ENOENT: "load the kernel module of the TEE",
    errno.EACCES: "run as root, or give this user the device's group",
    errno.EPERM: "run as root, or allow the device to this container",
    errno.ENXIO: "the kernel's driver found no TEE below it",
}


class Opened:
    """A device that is closed when a ``with`` ends."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __enter__(self) -> Device:
        return self._device

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # nothing is lost with it: every answer was read
            self._device.close()


class Memory:
    """Bytes at an address, which stay there while this object lives."""

    def __init__(self, content: bytes) -> None:
        self._buffer = ctypes.create_string_buffer(content, max(len(content), 1))
        self.size = len(content)

    @classmethod
    def zeros(cls, size: int) -> Self:
        """Make ``size`` zero bytes."""
        return cls(bytes(size))

    @property
    def address(self) -> int:
        """Where they lie."""
        return ctypes.addressof(self._buffer)

    def read(self, size: int | None = None) -> bytes:
        """Give the first ``size`` bytes as they are now; all without a size."""
        return self._buffer.raw[: self.size if size is None else min(size, self.size)]
