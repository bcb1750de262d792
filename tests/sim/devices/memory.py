"""What a driver does with a pointer: read and write the caller's memory."""

import ctypes
import errno
import os


def read(address: int, size: int) -> bytes:
    """Copy from the caller."""
    if not address and size:
        raise refused(errno.EFAULT)
    return ctypes.string_at(address, size) if size else b""


def write(address: int, content: bytes) -> None:
    """Copy to the caller."""
    if not address and content:
        raise refused(errno.EFAULT)
    ctypes.memmove(address, content, len(content))


def refused(number: int) -> OSError:
    """Make the error that a system call gives."""
    return OSError(number, os.strerror(number))
