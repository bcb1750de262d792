"""A small disk, to be filled: a tmpfs of a megabyte or as large as asked."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SOURCE = "small-disk"
"""What the table of mounts calls it."""


@contextmanager
def small_disk(place: Path, options: str = "size=1m") -> Iterator[Path]:
    """Mount one at ``place`` for the block; skips where we may not."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, SOURCE, str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs to be root, to mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Fill a disk but for ``leave`` bytes (whole pages); give the file that fills it."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as writing, suppress(OSError):
        while True:
            writing.write(bytes(4096))
    if leave:
        os.truncate(file, file.stat().st_size - leave)
    return file
