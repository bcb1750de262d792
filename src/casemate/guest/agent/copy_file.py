"""Files the host copies into the pod, chunk by chunk, below one folder and nowhere else (§6.4)."""

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from casemate.errors import HostError, InputError
from casemate.guest.agent.bundle import SHARED
from casemate.wire.pb import agent_pb2

_LARGEST_CHUNK: Final = 1 << 20
_MOST_PARTS: Final = 64


def copy(request: agent_pb2.CopyFileRequest, *, root: Path = Path(SHARED)) -> None:
    """Do one request: a folder, a link, or a chunk of a file that appears whole at its last.

    Raises:
        InputError: outside ``root``, through a link, too large a chunk, or another kind of file.
        HostError: the file system refuses.
    """
    if len(request.data) > _LARGEST_CHUNK or not 0 <= request.offset <= request.file_size:
        raise InputError("CopyFile", got=f"offset {request.offset}", want="chunks within the file")
    parts = _parts(request.path, root)
    try:
        with _parent(root, parts[:-1], request.dir_mode & 0o7777 or 0o750) as folder:
            _place(request, folder, parts[-1])
    except OSError as error:
        raise HostError(f"copy {request.path}", got=error, want="a file") from error


def _place(request: agent_pb2.CopyFileRequest, folder: int, name: str) -> None:
    match stat.S_IFMT(request.file_mode):
        case stat.S_IFDIR:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            _own(folder, name, request)
        case stat.S_IFLNK:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.symlink(request.data, name.encode(), dir_fd=folder)
        case stat.S_IFREG | 0:
            _chunk(request, folder, name)
        case kind:
            raise InputError("CopyFile", got=f"type {kind:o}", want="file, directory or symlink")


def _chunk(request: agent_pb2.CopyFileRequest, folder: int, name: str) -> None:
    partial = f"{name}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    flags |= os.O_TRUNC if request.offset == 0 else 0
    descriptor = os.open(partial, flags, 0o600, dir_fd=folder)
    try:
        os.pwrite(descriptor, request.data, request.offset)
        whole = os.fstat(descriptor).st_size >= request.file_size
    finally:
        os.close(descriptor)
    if whole:
        _own(folder, partial, request)
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)


def _own(folder: int, name: str, request: agent_pb2.CopyFileRequest) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fchown(descriptor, request.uid, request.gid)
        os.fchmod(descriptor, request.file_mode & 0o7777)
    finally:
        os.close(descriptor)


def _parts(path: str, root: Path) -> list[str]:
    clean = posixpath.normpath(path)
    prefix = f"{root}/"
    if not clean.startswith(prefix) or "\0" in clean:
        raise InputError("CopyFile", got=path, want=f"a path below {root}")
    parts = clean.removeprefix(prefix).split("/")
    if len(parts) > _MOST_PARTS or any(len(part) > 250 for part in parts):
        raise InputError("CopyFile", got=path, want="at most 64 parts of 250 characters")
    return parts


@contextmanager
def _parent(root: Path, parts: list[str], mode: int) -> Iterator[int]:
    """The folder to write in, step by step without following links; missing ones are made."""
    root.mkdir(parents=True, exist_ok=True)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, mode, dir_fd=folder)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)
