"""Block devices: found by the serial that the machine gave them, sized, read."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from casemate.errors import HostError, InputError

_SECTOR: Final = 512
_NUMBER: Final = re.compile(r"[0-9]{1,4}:[0-9]{1,7}")


def find_by_serial(
    serial: str, *, sys: Path = Path("/sys"), dev: Path = Path("/dev")
) -> Path | None:
    """The virtio disk with this serial; None when the machine has none."""
    folder = sys / "block"
    names = os.listdir(folder) if folder.exists() else ()  # noqa: PTH208  # a glob takes 20 ms
    for name in sorted(names):
        with suppress(FileNotFoundError):  # of a disk that is not virtio's
            if (folder / name / "serial").read_text(errors="replace").strip() == serial:
                return dev / name
    return None


def by_number(number: str, *, sys: Path = Path("/sys"), dev: Path = Path("/dev")) -> Path:
    """The device node of ``MAJ:MIN``.

    Raises:
        InputError: not of that form.
        HostError: no such device.
    """
    if _NUMBER.fullmatch(number) is None:
        raise InputError("block device", got=number, want="MAJ:MIN")
    link = sys / "dev" / "block" / number
    if not link.exists():
        raise HostError("block device", got=f"{number} absent", want="a device of this machine")
    return dev / link.resolve().name


def size(device: Path) -> int:
    """Size in bytes.

    Raises:
        HostError: it cannot be opened.
    """
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.lseek(descriptor, 0, os.SEEK_END)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostError(f"block device {device}", got=error, want="a readable device") from error


def sectors(device: Path) -> int:
    """Size in sectors of 512 bytes."""
    return size(device) // _SECTOR


def read(device: Path, limit: int) -> bytes:
    """Read at most the first ``limit`` bytes.

    Raises:
        HostError: it cannot be read.
    """
    try:
        with device.open("rb", buffering=0) as file:
            return file.read(limit) or b""
    except OSError as error:
        raise HostError(f"block device {device}", got=error, want="a readable device") from error


def wipe(device: Path, offset: int, length: int) -> None:
    """Overwrite with zeros and flush.

    Raises:
        HostError: it cannot be written.
    """
    try:
        descriptor = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, bytes(length), offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostError(f"block device {device}", got=error, want="a writable device") from error
