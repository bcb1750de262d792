"""Owner, mode, extended attributes and times of what a layer makes, in the order that keeps all.

Changing the owner drops set-user-id bits and ``security.capability``: so the owner comes first,
then the mode, then attributes. Another user than root keeps what the kernel lets it.
"""

import errno
import os
from typing import Final

from casemate.oci.tar import Entry, Kind
from casemate.oci.tree import opened

_OVERLAY: Final = (b"trusted.overlay.", b"user.overlay.")
_ROOT: Final = 0


def dress_file(fd: int, entry: Entry) -> None:
    """Dress a file whose content is complete: writing would drop bits again."""
    _own(fd, entry)
    os.fchmod(fd, entry.mode)
    _set_xattrs(fd, entry)
    os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))


def dress_folder(folder: int, name: bytes, entry: Entry) -> None:
    """Dress a sub-folder, but for its time: what is made in it changes that."""
    with opened(folder, name) as fd:
        _own(fd, entry)
        os.fchmod(fd, entry.mode if _is_root() else entry.mode | 0o700)
        _set_xattrs(fd, entry)


def dress_name(folder: int, name: bytes, entry: Entry) -> None:
    """Dress a link, device or fifo, which cannot be opened; a link is never followed."""
    if _is_root():
        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
    if entry.kind is not Kind.SYMLINK:
        os.chmod(name, entry.mode, dir_fd=folder)
    _set_xattrs(b"/proc/self/fd/%d/%s" % (folder, name), entry)
    times = (entry.mtime_ns, entry.mtime_ns)
    os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)


def _is_root() -> bool:
    return os.geteuid() == _ROOT


def _own(fd: int, entry: Entry) -> None:
    if _is_root():
        os.fchown(fd, entry.uid, entry.gid)


def _set_xattrs(at: int | bytes, entry: Entry) -> None:
    for name, value in entry.xattrs:
        if name.startswith(_OVERLAY):
            continue  # a layer must not speak to overlayfs
        try:
            if isinstance(at, int):
                os.setxattr(at, name, value)
            else:
                os.setxattr(at, name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno == errno.ENOTSUP or (error.errno == errno.EPERM and not _is_root()):
                continue  # this file system, or this user, has none of them
            raise
