"""Documents on disk: each a file under its name, its time of change the time it was asked for.

So the folder itself is an offline store: it can be copied, looked at, given to ``--collateral``.
Files appear whole or not at all. Whoever writes here can withhold documents and bring old ones
back; what they say is signed by the vendors.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from casemate.errors import HostError, InputError
from casemate.tee.gathering.document import CHAIN_SUFFIX, safe_name
from casemate.tee.material import LARGEST_FILE, MOST_FILES
from casemate.tee.want import Want

FOLDER_VARIABLE: Final = "CASEMATE_COLLATERAL"
"""Environment variable that names the cache's folder for commands."""
_UNFINISHED: Final = ".part"
_MOST_BESIDE: Final = 1024
"""Evidence names what is fetched for it before it is proved: no stranger fills the disk."""


class Kept(NamedTuple):
    """A document out of the cache, with the issuer chain that came with it."""

    name: str
    files: Mapping[str, bytes]
    """File name → content: the document, and its chain where it has one."""
    since: datetime
    """When it was asked for."""


class Listed(NamedTuple):
    """A file of the cache."""

    name: str
    size: int
    since: datetime


def default_folder(environment: Mapping[str, str]) -> Path:
    """Give the folder of a person's cache: CASEMATE_COLLATERAL, else the desktop's for caches."""
    if named := environment.get(FOLDER_VARIABLE):
        return Path(named)
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/")) / ".cache"
    return Path(home) / "casemate" / "collateral"


class Cache:
    """A folder of documents."""

    def __init__(self, folder: Path, *, most: int = _MOST_BESIDE) -> None:
        """``most`` is how many files one folder in it holds."""
        self.folder = folder
        self._most = most

    def find(self, want: Want) -> Kept | None:
        """Give a document by its name, else by one of its names in an offline store.

        Raises:
            HostError: a file is there and cannot be read.
        """
        for name in (want.name, *want.fallbacks):
            place = self.folder / safe_name(name)
            found = _read(place)
            if found is None:
                continue
            body, since = found
            files = {want.name: body}
            if want.chain_header and (chain := _read(_chain(place))):
                files[want.name + CHAIN_SUFFIX] = chain[0]
            return Kept(want.name, files, since)
        return None

    def keep(self, name: str, body: bytes, since: datetime, *, chain: bytes = b"") -> None:
        """Write a document and its chain, the chain first: who finds one finds both.

        A folder that is full forgets what was asked for longest ago.

        Raises:
            HostError: the folder cannot be written.
        """
        place = self.folder / safe_name(name)
        if chain:
            _write(_chain(place), chain, since)
        _write(place, body, since)
        _make_room(place.parent, self._most)

    def all(self) -> tuple[Listed, ...]:
        """List every document, by name.

        Raises:
            InputError: there are more than a verifier may be given.
            HostError: the folder cannot be read.
        """
        try:
            found = sorted(_walk(self.folder))
        except OSError as error:
            raise HostError(
                str(self.folder), got=error.strerror, want="a readable folder"
            ) from error
        if len(found) > MOST_FILES:
            raise InputError(str(self.folder), got=len(found), want=f"at most {MOST_FILES} files")
        return tuple(found)

    def read(self, listed: Listed) -> bytes:
        """Read a listed document; HostError when it has gone, or cannot be read."""
        found = _read(self.folder / listed.name)
        if found is None:
            raise HostError(listed.name, got="no such document", want="one of the cache")
        return found[0]


def _chain(place: Path) -> Path:
    return place.with_name(place.name + CHAIN_SUFFIX)


def _walk(folder: Path) -> Iterator[Listed]:
    for place in folder.rglob("*"):
        if place.is_file() and not place.name.startswith("."):
            facts = place.stat()
            since = datetime.fromtimestamp(facts.st_mtime, UTC)
            yield Listed(str(place.relative_to(folder)), facts.st_size, since)


def _read(place: Path) -> tuple[bytes, datetime] | None:
    try:
        with place.open("rb") as stream:
            body = stream.read(LARGEST_FILE + 1)
            since = os.fstat(stream.fileno()).st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError(str(place), got=error.strerror, want="a readable file") from error
    if len(body) > LARGEST_FILE:
        return None  # nobody reads one this large: as good as none
    return body, datetime.fromtimestamp(since, UTC)


def _make_room(folder: Path, most: int) -> None:
    if len(os.listdir(folder)) <= most:  # noqa: PTH208  # names alone, quickly
        return
    found = []
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append((file.stat().st_mtime, file))
    for _, file in sorted(found, reverse=True)[most:]:
        with suppress(OSError):  # gone already, or a folder: nothing to make room with
            file.unlink()


def _write(place: Path, body: bytes, since: datetime) -> None:
    half = place.with_name(f".{secrets.token_hex(8)}{_UNFINISHED}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            half.write_bytes(body)
            os.utime(half, (int(since.timestamp()),) * 2)  # whole seconds: those travel
            half.replace(place)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(
            str(place),
            got=error.strerror,
            want="a place to write",
            remedy="Give the cache a folder that this user may write, with room on its disk.",
        ) from error
