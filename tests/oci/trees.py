"""A folder as data, in the form of the vectors' ``*.tree.json``, to compare unpacked images."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}


def tree(root: Path) -> list[dict[str, Any]]:
    """List everything below ``root``, sorted by path."""
    return sorted(
        (
            _entry(Path(folder) / name, root)
            for folder, folders, files in os.walk(root)
            for name in folders + files
        ),
        key=lambda entry: str(entry["path"]),
    )


def _entry(path: Path, root: Path) -> dict[str, Any]:
    info = path.lstat()
    kind = _KINDS[stat.S_IFMT(info.st_mode)]
    entry: dict[str, Any] = {
        "path": str(path.relative_to(root)),
        "type": kind,
        "uid": info.st_uid,
        "gid": info.st_gid,
        "mtime": int(info.st_mtime),
    }
    if kind != "symlink":
        entry["mode"] = oct(stat.S_IMODE(info.st_mode))
    if kind == "symlink":
        entry["target"] = str(path.readlink())
    if kind == "file":
        entry |= {"size": info.st_size, "nlink": info.st_nlink}
        entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    if kind in {"char", "block"}:
        entry["rdev"] = [os.major(info.st_rdev), os.minor(info.st_rdev)]
    names = os.listxattr(path, follow_symlinks=False)
    if names:
        entry["xattrs_hex"] = {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in names}
    return entry
