"""Device mapper through its ioctls: tables reach the kernel from our memory, never by arguments.

Layout of ``struct dm_ioctl`` and the numbers: include/uapi/linux/dm-ioctl.h, version 4.
"""

import fcntl
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import HostError
from casemate.secret import Secret

_CONTROL: Final = Path("/dev/mapper/control")
_HEADER: Final = struct.Struct("=3I I I I i I I I Q 128s 129s 7x")
_TARGET: Final = struct.Struct("=QQiI16s")
_CREATE, _REMOVE, _SUSPEND, _STATUS, _LOAD = 3, 4, 6, 12, 9
_READ_ONLY: Final = 1 << 0
_SUSPENDED: Final = 1 << 1
_SECURE: Final = 1 << 15
"""The kernel wipes its copies of what we pass."""
_BUFFER: Final = 16384


class Target(msgspec.Struct, frozen=True):
    """One row of a table: ``sectors`` of 512 bytes; ``parameters`` may hold a key."""

    start: int
    sectors: int
    kind: str
    parameters: Secret


def create(name: str, table: Sequence[Target], *, read_only: bool = False) -> Path:
    """Make a mapped device and give its node.

    Raises:
        HostError: the kernel refuses the name or the table; nothing is left behind.
    """
    number = _ioctl(_CREATE, name)
    try:
        load(name, table, read_only=read_only)
        resume(name)
    except BaseException:
        with suppress(HostError):
            remove(name)
        raise
    return _node(number)


def load(name: str, table: Sequence[Target], *, read_only: bool = False) -> None:
    """Give a device its next table; it takes effect on :func:`resume`.

    Raises:
        HostError: the kernel refuses the table.
    """
    payload = bytearray()
    for target in table:
        payload += _row(target)
    try:
        _ioctl(_LOAD, name, payload, _READ_ONLY if read_only else 0, len(table))
    finally:
        payload[:] = bytes(len(payload))


def resume(name: str) -> None:
    """Let a device work with the table loaded last.

    Raises:
        HostError: the kernel refuses.
    """
    _ioctl(_SUSPEND, name)


def suspend(name: str) -> None:
    """Hold a device still, so that its table can be changed.

    Raises:
        HostError: the kernel refuses.
    """
    _ioctl(_SUSPEND, name, flags=_SUSPENDED)


def remove(name: str) -> None:
    """Take a device away.

    Raises:
        HostError: no such device, or in use.
    """
    _ioctl(_REMOVE, name)


def status(name: str) -> str:
    """What the device's first target says about itself.

    Raises:
        HostError: no such device.
    """
    buffer = _buffer(name, b"", 0, 0)
    _call(_STATUS, name, buffer)
    start = _HEADER.unpack_from(buffer)[4]
    text = bytes(buffer[start + _TARGET.size :])
    return text[: text.index(0)].decode(errors="replace")


def _row(target: Target) -> bytes:
    parameters = target.parameters.reveal() + b"\0"
    parameters += bytes(-len(parameters) % 8)
    head = _TARGET.pack(
        target.start, target.sectors, 0, _TARGET.size + len(parameters), target.kind.encode()
    )
    return head + parameters


def _ioctl(
    command: int, name: str, payload: bytes | bytearray = b"", flags: int = 0, count: int = 0
) -> int:
    """Talk to the control node; gives the device number of the answer."""
    buffer = _buffer(name, payload, flags, count)
    try:
        _call(command, name, buffer)
        number: int = _HEADER.unpack_from(buffer)[10]
        return number
    finally:
        buffer[:] = bytes(len(buffer))


def _buffer(name: str, payload: bytes | bytearray, flags: int, count: int) -> bytearray:
    size = max(_BUFFER, _HEADER.size + len(payload))
    head = _HEADER.pack(
        4, 0, 0, size, _HEADER.size, count, 0, flags | _SECURE, 0, 0, 0, name.encode(), b""
    )
    buffer = bytearray(size)
    buffer[: len(head)] = head
    buffer[_HEADER.size : _HEADER.size + len(payload)] = payload
    return buffer


def _call(command: int, name: str, buffer: bytearray) -> None:
    request = 3 << 30 | _HEADER.size << 16 | 0xFD << 8 | command
    try:
        control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(control, request, buffer, True)
        finally:
            os.close(control)
    except OSError as error:
        raise HostError(
            f"device mapper {name}", got=error, want="a kernel that accepts the table"
        ) from error


def _node(number: int) -> Path:
    """The device node of a device number as ``struct dm_ioctl`` packs it (huge_encode_dev)."""
    minor = (number & 0xFF) | ((number >> 12) & 0xFFF00)
    return Path(f"/dev/dm-{minor}")
