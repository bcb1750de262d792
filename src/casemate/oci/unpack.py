"""Layers into a folder: every entry confined, whiteouts honoured, sizes bounded.

Guest-components section 13.4. Owner first, then mode, then extended attributes: any other order
loses capabilities. Folder times are set last.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

import msgspec

from casemate.errors import HostError, PeerError
from casemate.oci.attributes import dress_file, dress_folder, dress_name
from casemate.oci.tar import End, Entry, Event, Kind
from casemate.oci.tree import Folder, Parts, Tree, exists, is_folder, kept, listed, split

_WHITEOUT: Final = b".wh."
_OPAQUE: Final = b".wh..wh..opq"
_AUFS: Final = b".wh..wh."
_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_MACHINE: Final = frozenset(
    {errno.EPERM, errno.EACCES, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM}
)


class Whiteouts(StrEnum):
    """What becomes of a whiteout."""

    APPLY = "apply"
    """The lower layers are in the same folder: remove what it hides."""
    OVERLAY = "overlay"
    """This layer has a folder of its own: write what overlayfs understands."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one image."""

    entries: int = 1_000_000
    """Most entries of a layer."""
    content: int = 64 << 30
    """Most bytes of file content of a layer."""


class LayerUnpacker:
    """Writes one layer's events into a tree.

    Args:
        tree: where; lower layers are there already when whiteouts are applied.
        whiteouts: what becomes of a whiteout.
        lowest: nothing lies below: whiteouts hide nothing, and no names are remembered.
        devices: whether device nodes are made; they are left out otherwise.
        limits: bounds of the layer.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        whiteouts: Whiteouts = Whiteouts.APPLY,
        lowest: bool = False,
        devices: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self._tree = tree
        self._lowest = lowest
        self._whiteouts = whiteouts
        self._devices = devices
        self._limits = limits or Limits()
        self._touched: set[Parts] = {()}
        self._times: dict[Parts, int] = {}
        self._entries = 0
        self._content = 0
        self._free = 0
        self._file: tuple[int, Entry] | None = None

    def take(self, event: Event) -> None:
        """Write one event.

        Raises:
            PeerError: the entry would leave the tree, or is none a layer may hold.
            HostError: no space, no right, or another failure of this machine.
        """
        with _told(self._file[1].path if self._file else getattr(event, "path", b"")):
            match event:
                case Entry():
                    self._take_entry(event)
                case End():
                    self._end_file()
                case _ if self._file:
                    _write(self._file[0], event)

    def finish(self) -> None:
        """Set the times of folders; the layer is complete."""
        with _told(b""):
            for parts, mtime in self._times.items():
                folder = self._tree.folder(parts, create=False)
                if folder and folder.parts == parts:
                    os.utime(f"/proc/self/fd/{folder.fd}", ns=(mtime, mtime))
        self._times.clear()
        self._touched = {()}

    def close(self) -> None:
        """Let go of a file left unfinished."""
        if self._file:
            os.close(self._file[0])
            self._file = None

    def _take_entry(self, entry: Entry) -> None:
        self._count(entry)
        parts = split(entry.path)
        if not parts:
            self._take_root(entry)
        elif parts[-1].startswith(_WHITEOUT):
            self._take_whiteout(parts)
        else:
            folder = self._parent(parts[:-1])
            self._make(folder, parts[-1], entry)

    def _count(self, entry: Entry) -> None:
        self._entries += 1
        self._content += entry.size
        if self._entries > self._limits.entries or self._content > self._limits.content:
            raise PeerError(
                "layer size",
                got=f"{self._entries} entries, {self._content} bytes",
                want=f"at most {self._limits.entries} and {self._limits.content}",
            )
        self._free -= entry.size
        if entry.size and self._free < 0:
            root = self._tree.folder((), create=False)
            assert root is not None
            there = os.statvfs(root.fd)
            self._free = there.f_bavail * there.f_frsize - entry.size
            if self._free < 0:
                raise _no_space(f"needs {entry.size} bytes, has {self._free + entry.size}")

    def _parent(self, parts: Parts) -> Folder:
        folder = self._tree.folder(parts, create=True)
        assert folder is not None
        if folder.parts not in self._times:
            self._times[folder.parts] = os.fstat(folder.fd).st_mtime_ns
        return folder

    def _touch(self, parts: Parts) -> None:
        while parts not in self._touched and not self._lowest:
            self._touched.add(parts)
            parts = parts[:-1]

    def _take_root(self, entry: Entry) -> None:
        if entry.kind is not Kind.DIR:
            raise PeerError("layer entry", got=f"{entry.kind} as the root", want="a folder")
        root = self._tree.folder((), create=False)
        assert root is not None
        dress_folder(root.fd, b".", entry)
        self._times[()] = entry.mtime_ns

    def _take_whiteout(self, parts: Parts) -> None:
        *above, name = parts
        victim = name.removeprefix(_WHITEOUT)
        if name != _OPAQUE and name.startswith(_AUFS):
            return  # bookkeeping of aufs
        if victim in {b"", b".", b".."}:
            raise PeerError("layer whiteout", got=name, want="the name of a file")
        if self._whiteouts is Whiteouts.OVERLAY:
            self._write_whiteout(self._parent(tuple(above)), name, victim)
        elif not self._lowest and (folder := self._tree.folder(tuple(above), create=False)):
            self._times.setdefault(folder.parts, os.fstat(folder.fd).st_mtime_ns)
            if name == _OPAQUE:
                self._hide_folder(folder)
            else:
                self._hide(folder.fd, victim, (*folder.parts, victim))

    def _write_whiteout(self, folder: Folder, name: bytes, victim: bytes) -> None:
        if name == _OPAQUE:
            os.setxattr(f"/proc/self/fd/{folder.fd}", "trusted.overlay.opaque", b"y")
        elif (*folder.parts, victim) not in self._touched:
            os.mknod(victim, stat.S_IFCHR, os.makedev(0, 0), dir_fd=folder.fd)

    def _hide_folder(self, folder: Folder) -> None:
        with listed(folder.fd, b".") as (fd, names):
            for name in names:
                self._hide(fd, name, (*folder.parts, name))

    def _hide(self, folder: int, name: bytes, parts: Parts) -> None:
        """Remove what lower layers put there; this layer's own entries stay."""
        if parts not in self._touched:
            self._tree.remove(folder, name)
        elif is_folder(folder, name):
            with listed(folder, name) as (fd, names):
                for child in names:
                    self._hide(fd, child, (*parts, child))

    def _make(self, folder: Folder, name: bytes, entry: Entry) -> None:
        if entry.kind is Kind.DIR:
            self._make_folder(folder, name, entry)
        elif entry.kind is Kind.HARDLINK:
            self._make_link(folder, name, entry)
        elif entry.kind in {Kind.CHAR, Kind.BLOCK} and not self._devices:
            return
        else:
            try:
                self._make_new(folder, name, entry)
            except FileExistsError:
                self._tree.remove(folder.fd, name)
                self._make_new(folder, name, entry)
        parts = (*folder.parts, name)
        if entry.kind is not Kind.DIR and parts in self._times:  # a folder was replaced
            size = len(parts)
            self._times = {p: t for p, t in self._times.items() if p[:size] != parts}
        self._touch(parts)

    def _make_new(self, folder: Folder, name: bytes, entry: Entry) -> None:
        match entry.kind:
            case Kind.FILE:
                self._file = (os.open(name, _FILE, 0o600, dir_fd=folder.fd), entry)
                return
            case Kind.SYMLINK:
                os.symlink(entry.target, name, dir_fd=folder.fd)
            case _:
                self._make_node(folder, name, entry)
        dress_name(folder.fd, name, entry)

    def _make_node(self, folder: Folder, name: bytes, entry: Entry) -> None:
        kinds = {Kind.CHAR: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
        if entry.kind is Kind.CHAR and entry.device == (0, 0):
            raise PeerError(
                "layer entry", got="a 0:0 character device", want="no hidden overlay whiteout"
            )
        number = os.makedev(*entry.device)
        os.mknod(name, kinds[entry.kind] | 0o600, number, dir_fd=folder.fd)

    def _make_folder(self, folder: Folder, name: bytes, entry: Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=folder.fd)
        except FileExistsError:
            if not is_folder(folder.fd, name):
                self._tree.remove(folder.fd, name)
                os.mkdir(name, 0o700, dir_fd=folder.fd)
        dress_folder(folder.fd, name, entry)
        self._times[(*folder.parts, name)] = entry.mtime_ns

    def _make_link(self, folder: Folder, name: bytes, entry: Entry) -> None:
        *above, last = split(entry.target) or (b"",)
        with kept(folder) as into, kept(self._tree.folder(tuple(above), create=False)) as source:
            if source is None or into is None or not exists(source.fd, last):
                raise PeerError("hard link", got=entry.target, want="an earlier entry of the image")
            if is_folder(source.fd, last):
                raise PeerError("hard link", got=entry.target, want="a file, not a folder")
            if (source.parts, last) == (into.parts, name):
                return
            self._tree.remove(into.fd, name)
            os.link(last, name, src_dir_fd=source.fd, dst_dir_fd=into.fd, follow_symlinks=False)

    def _end_file(self) -> None:
        if not self._file:
            return
        (fd, entry), self._file = self._file, None
        try:
            dress_file(fd, entry)
        finally:
            os.close(fd)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@contextmanager
def _told(path: bytes) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"unpacking {os.fsdecode(path)!r}"
        if error.errno in _FULL:
            raise _no_space(f"{where}: {error.strerror}") from error
        if error.errno in _MACHINE:
            want = "a writable folder, and root for owners and devices"
            raise HostError(where, got=error.strerror, want=want) from error
        raise PeerError(
            where, got=error.strerror, want="an entry a file system can hold"
        ) from error
    except (ValueError, OverflowError) as error:
        raise PeerError("layer entry", got=error, want="numbers a file system can hold") from error


def _no_space(got: str) -> HostError:
    return HostError(
        "unpacking", got=got, want="enough space", remedy="Free space or give a larger disk."
    )
