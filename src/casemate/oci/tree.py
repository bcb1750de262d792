"""A folder nothing can leave: paths are walked by folder descriptors, links resolved inside it.

The tree belongs to one writer; symbolic links in it come from an image and are hostile.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR
from typing import Final, Self

import msgspec

from casemate.errors import PeerError

DEEPEST: Final = 255
"""Most components of a path."""

Parts = tuple[bytes, ...]

_MOST_LINKS: Final = 40
_MOST_KNOWN: Final = 64
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder(msgspec.Struct, frozen=True):
    """A folder of the tree: a descriptor owned by the tree, and the path free of links."""

    fd: int
    parts: Parts


def split(path: bytes) -> Parts:
    """Cut a path into components; a leading slash means the tree's root.

    Raises:
        PeerError: a component is ``..``, or there are more than 255.
    """
    parts = tuple(part for part in path.split(b"/") if part not in {b"", b"."})
    if b".." in parts:
        raise _escape(path, "a path that climbs with ..")
    if len(parts) > DEEPEST:
        raise _escape(path[:60], f"{len(parts)} components")
    return parts


class Tree:
    """The tree under ``root``, which must exist. Use as a context manager."""

    def __init__(self, root: Path) -> None:
        self._root = Folder(os.open(root, _FOLDER), ())
        self._known: dict[Parts, Folder] = {}
        self._opened: list[int] = []
        self._stale = False

    def folder(self, parts: Parts, *, create: bool) -> Folder | None:
        """Walk to a folder; its descriptor is good until the next call.

        Missing folders are made (root's, 0755) or give None. Links are followed inside the tree.

        Raises:
            PeerError: a file stands in the way, or links go round.
        """
        if self._stale or len(self._known) > _MOST_KNOWN:
            self._forget()
        return self._walk(parts, create=create)

    def remove(self, folder: int, name: bytes) -> None:
        """Remove ``name`` and all below it from an open folder; nothing to remove is fine."""
        self._stale = True
        try:
            if not S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                os.unlink(name, dir_fd=folder)
                return
        except FileNotFoundError:
            return
        with listed(folder, name) as (inner, names):
            for child in names:
                self.remove(inner, child)
        os.rmdir(name, dir_fd=folder)

    def close(self) -> None:
        self._forget()
        os.close(self._root.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forget(self) -> None:
        for fd in self._opened:
            os.close(fd)
        self._opened.clear()
        self._known.clear()
        self._stale = False

    def _walk(self, parts: Parts, *, create: bool, links: int = 0) -> Folder | None:
        size = next((n for n in range(len(parts), 0, -1) if parts[:n] in self._known), 0)
        at: Folder | None = self._known[parts[:size]] if size else self._root
        for end in range(size + 1, len(parts) + 1):
            assert at is not None
            at = self._step(at, parts[end - 1], create=create, links=links)
            if at is None:
                return None
            self._known[parts[:end]] = at
        return at

    def _step(self, at: Folder, name: bytes, *, create: bool, links: int) -> Folder | None:
        if len(at.parts) >= DEEPEST:
            raise _escape(name, "a folder deeper than 255")
        try:
            return self._open(at, name)
        except FileNotFoundError:
            if not create:
                return None
            os.mkdir(name, 0o755, dir_fd=at.fd)
            os.chmod(name, 0o755, dir_fd=at.fd)  # noqa: S103  # whatever the umask is
            return self._open(at, name)
        except NotADirectoryError:
            return self._follow(at, name, create=create, links=links)

    def _open(self, at: Folder, name: bytes) -> Folder:
        fd = os.open(name, _FOLDER, dir_fd=at.fd)
        self._opened.append(fd)
        return Folder(fd, (*at.parts, name))

    def _follow(self, at: Folder, name: bytes, *, create: bool, links: int) -> Folder | None:
        if links >= _MOST_LINKS:
            raise _escape(name, "links that go round")
        try:
            target = os.readlink(name, dir_fd=at.fd)
        except OSError as error:
            raise PeerError(
                "layer path", got=b"/".join((*at.parts, name)), want="a folder"
            ) from error
        here: Folder | None = self._root if target.startswith(b"/") else at
        for part in target.split(b"/"):
            if here is None:
                return None
            if part == b"..":
                here = self._walk(here.parts[:-1], create=create, links=links + 1)
            elif part not in {b"", b"."}:
                here = self._step(here, part, create=create, links=links + 1)
        return here


@contextmanager
def opened(folder: int, name: bytes) -> Iterator[int]:
    """Open a sub-folder (``.`` is the folder itself), never through a link."""
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def kept(folder: Folder | None) -> Iterator[Folder | None]:
    """Keep a folder open over the next walk of the tree."""
    if folder is None:
        yield None
        return
    fd = os.dup(folder.fd)
    try:
        yield Folder(fd, folder.parts)
    finally:
        os.close(fd)


def exists(folder: int, name: bytes) -> bool:
    """Tell whether the folder holds ``name``, be it a dangling link."""
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return bool(name)


def is_folder(folder: int, name: bytes) -> bool:
    """Tell whether ``name`` is a folder itself, not a link to one."""
    try:
        return S_ISDIR(os.lstat(name, dir_fd=folder).st_mode)
    except FileNotFoundError:
        return False


@contextmanager
def listed(folder: int, name: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Open the sub-folder ``name`` (never through a link); gives its descriptor and names."""
    with opened(folder, name) as fd, os.scandir(fd) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
        yield fd, names


def _escape(got: bytes, what: str) -> PeerError:
    return PeerError(
        "layer path", got=f"{what}: {os.fsdecode(got)!r}", want="a path inside the layer"
    )
