"""Mounts: made, listed, taken away; options as mount(8) spells them."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from casemate.errors import HostError
from casemate.linux import libc

_SET: Final = MappingProxyType(
    {
        "ro": libc.MS_RDONLY,
        "nosuid": libc.MS_NOSUID,
        "nodev": libc.MS_NODEV,
        "noexec": libc.MS_NOEXEC,
        "noatime": libc.MS_NOATIME,
        "relatime": libc.MS_RELATIME,
        "bind": libc.MS_BIND,
        "rbind": libc.MS_BIND | libc.MS_REC,
        "private": libc.MS_PRIVATE,
        "rprivate": libc.MS_PRIVATE | libc.MS_REC,
        "rshared": libc.MS_SHARED | libc.MS_REC,
        "remount": libc.MS_REMOUNT,
    }
)
_CLEAR: Final = MappingProxyType(
    {
        "rw": libc.MS_RDONLY,
        "suid": libc.MS_NOSUID,
        "dev": libc.MS_NODEV,
        "exec": libc.MS_NOEXEC,
        "atime": libc.MS_NOATIME,
        "defaults": 0,
    }
)


def mount(source: str | Path, target: Path, fstype: str, options: Sequence[str] = ()) -> None:
    """Mount; ``options`` that are no flags go to the file system as its own.

    Raises:
        HostError: the kernel refuses.
    """
    flags, data = split_options(options)
    try:
        libc.mount(str(source), str(target), fstype, flags, data)
    except OSError as error:
        raise HostError(
            f"mount {fstype or source} on {target}", got=error, want="a mount"
        ) from error


def split_options(options: Sequence[str]) -> tuple[int, str]:
    """Part options into mount(2)'s flags and the file system's own data, comma separated."""
    flags = 0
    data = []
    for option in options:
        if option in _SET:
            flags |= _SET[option]
        elif option in _CLEAR:
            flags &= ~_CLEAR[option]
        elif option:
            data.append(option)
    return flags, ",".join(data)


def unmount(target: Path, *, lazy: bool = False) -> None:
    """Unmount; with ``lazy`` it vanishes from the tree at once and ends with its last user.

    Raises:
        HostError: not mounted, or in use.
    """
    try:
        libc.umount(str(target), libc.MNT_DETACH if lazy else 0)
    except OSError as error:
        raise HostError(f"unmount {target}", got=error, want="an idle mount") from error


def below(folder: Path, table: str | None = None) -> list[Path]:
    """Mount points at or below ``folder``, deepest first, out of this process's mount table."""
    text = Path("/proc/self/mountinfo").read_text() if table is None else table
    points = [Path(_unescaped(line.split(" ")[4])) for line in text.splitlines() if line]
    return [p for p in reversed(points) if p == folder or folder in p.parents]


def _unescaped(field: str) -> str:
    """Octal escapes of proc(5): space, tab, newline and backslash."""
    for escape, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        field = field.replace(escape, character)
    return field


def is_mount(path: Path) -> bool:
    """Whether something is mounted exactly there."""
    return os.path.ismount(path)
