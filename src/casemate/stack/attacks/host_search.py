"""The host looks for the secret in everything it holds: disks, registry, state, logs, processes."""

import base64
import os
from collections.abc import Iterator
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
    files = size = 0
    for file in (*_files(scene.folder.root), *_files(scene.image.folder), *_processes()):
        found, read = _search(file, needles)
        if found:
            return f"found in {file}"
        files, size = files + 1, size + read
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
            while chunk := reading.read(_CHUNK):
                size += len(chunk)
                held = held[-overlap:] + chunk
                if any(needle in held for needle in needles):
                    return True, size
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False, size
    return False, size


ATTACK = Attack(
    name="host-search",
    title="host searches disks, registry, state and logs for the secret",
    expects=("nothing in",),
    run=run,
)
