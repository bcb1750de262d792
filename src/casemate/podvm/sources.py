"""Foreign inputs of a build, once fetched: files in a folder, named with digests by a lock."""

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto.digest import sha256
from casemate.errors import MALFORMED_JSON, HostError, Refusal, VerificationError

LOCK: Final = "lock.json"
_LARGEST_LOCK: Final = 1 << 20

Progress = Callable[[str], None]
"""Told in a few words what is done now."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One fetched file: ``file`` lies beside the lock; ``sha256`` is lower-case hex."""

    name: str
    version: str
    file: str
    sha256: str


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of fetched files, in order of names."""

    folder: Path
    sources: tuple[Source, ...]

    def path(self, source: Source) -> Path:
        return self.folder / source.file

    def read(self, source: Source) -> bytes:
        """Read one file, checked again against the lock.

        Raises:
            VerificationError: the file was changed after it was fetched.
        """
        data = self.path(source).read_bytes()
        if sha256(data).hex != source.sha256:
            raise VerificationError(
                Refusal(
                    step="podvm fetch",
                    claim=f"{source.name} {source.version}",
                    got=sha256(data).hex,
                    expected=source.sha256,
                    rule="digest written down when it was fetched",
                    remedy=f"Remove {self.folder} and build again.",
                )
            )
        return data


def load(folder: Path) -> Fetched | None:
    """Give what an earlier fetch left in ``folder``; None when there is nothing."""
    lock = folder / LOCK
    try:
        raw = lock.read_bytes()[:_LARGEST_LOCK]
        return Fetched(folder=folder, sources=msgspec.json.decode(raw, type=tuple[Source, ...]))
    except FileNotFoundError:
        return None
    except MALFORMED_JSON as error:
        raise HostError(
            str(lock), got=error, want="the lock of a fetch", remedy=f"Remove {folder}."
        ) from error


def keep(folder: Path, fetch: Callable[[Path], Iterable[Source]]) -> Fetched:
    """Fetch into a new folder that takes its place only when all is there.

    ``fetch`` fills the folder given to it and says what it put there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder.parent))
    try:
        sources = tuple(sorted(fetch(new), key=lambda source: source.name))
        (new / LOCK).write_bytes(msgspec.json.format(msgspec.json.encode(sources)))
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return Fetched(folder=folder, sources=sources)
