"""The host looks for the secret in everything it holds: disks, registry, state, logs, processes."""

import asyncio
import base64
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from casemate.errors import Refusal, VerificationError
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene

_CHUNK: Final = 1 << 20  # bytes
_ELSEWHERE: Final = frozenset({"trustee", "owner"})
"""Folders that stand for other machines: the Trustee's and the owner's own."""


async def run(scene: Scene) -> str:
    """Read every byte of every file the host has for its pods; report where the secret shows."""
    needles = [*_forms(scene.secret.reveal()), await scene.owner.marker()]
    places = (scene.folder.root, scene.image.folder)
    found, files, size = await asyncio.to_thread(_search_all, places, needles)
    if found is not None:
        return f"found in {found}"
    raise VerificationError(
        Refusal(
            step="serve",
            claim="secret and layer text in disks, registry, state, logs, process tables",
            got=f"nothing in {files} files, {size / 1e6:.0f} MB",
            expected="the secret or the layer's text, for the attack to succeed",
            rule="secrets are released to the attested guest only, and kept in its memory",
            remedy="The pod VM's memory was not searched: only hardware can close that.",
        )
    )


def _search_all(places: Sequence[Path], needles: list[bytes]) -> tuple[Path | None, int, int]:
    """Search everything; give where a needle was found, and how much was read."""
    files = size = 0
    for file in (*(file for place in places for file in _files(place)), *_processes()):
        found, read = _search(file, needles)
        files, size = files + 1, size + read
        if found:
            return file, files, size
    return None, files, size


def _forms(secret: bytes) -> list[bytes]:
    """The secret as it might have been written: raw, hex, base64 at each of three offsets."""
    encoded = [base64.b64encode(b"\0" * i + secret)[4:-4] for i in range(3)]
    return [secret, secret.hex().encode(), *encoded]


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in _ELSEWHERE]
        yield from (Path(folder) / name for name in files)


def _processes() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != str(os.getpid()):
            yield from (process / "cmdline", process / "environ")


def _search(file: Path, needles: list[bytes]) -> tuple[bool, int]:
    """Search one file; one that has gone, or is no regular file, holds nothing."""
    overlap = max(map(len, needles))
    size = 0
    held = b""
    try:
        if not file.is_file():
            return False, 0
        with file.open("rb") as reading:
            for chunk in _data(reading.fileno()):
                size += len(chunk)
                held = held[-overlap:] + chunk
                if any(needle in held for needle in needles):
                    return True, size
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False, size
    return False, size


def _data(descriptor: int) -> Iterator[bytes]:
    """Yield what a file holds in pieces; the holes of a sparse disk are zeros, and left out."""
    at = 0
    while (begin := _next_data(descriptor, at)) is not None:
        os.lseek(descriptor, begin, os.SEEK_SET)
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return
        yield chunk
        at = begin + len(chunk)


def _next_data(descriptor: int, at: int) -> int | None:
    """Give where data begins at or after ``at``; None at the end."""
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        return at  # procfs and the like know no holes


ATTACK = Attack(
    name="host-search",
    title="host searches disks, registry, state, logs for the secret",
    expects=("nothing in",),
    run=run,
)
