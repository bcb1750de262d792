"""The C library's door to system calls that Python does not offer; errors become OSError."""

import ctypes
import os
from functools import cache
from typing import Final

SYS_FINIT_MODULE: Final = 313  # x86-64, as are all numbers here
MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_NOATIME: Final = 1024
MS_BIND: Final = 4096
MS_MOVE: Final = 8192
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_SHARED: Final = 1 << 20
MS_RELATIME: Final = 1 << 21
MNT_DETACH: Final = 2
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWPID: Final = 0x20000000
PR_SET_CHILD_SUBREAPER: Final = 36


def mount(source: str, target: str, fstype: str, flags: int, data: str) -> None:
    """Make the system call mount."""
    result = _libc().mount(
        source.encode(), target.encode(), fstype.encode(), ctypes.c_ulong(flags), data.encode()
    )
    _checked(result, target)


def umount(target: str, flags: int) -> None:
    """Make the system call umount2."""
    _checked(_libc().umount2(target.encode(), flags), target)


def finit_module(descriptor: int, parameters: str) -> None:
    """Make the system call finit_module: load the kernel module open at ``descriptor``."""
    result = _libc().syscall(
        ctypes.c_long(SYS_FINIT_MODULE),
        ctypes.c_int(descriptor),
        ctypes.c_char_p(parameters.encode()),
        ctypes.c_int(0),
    )
    _checked(result, "module")


def reboot(command: int) -> None:
    """Make the system call reboot; returns only when it is refused."""
    _checked(_libc().reboot(ctypes.c_int(command)), "reboot")


def unshare(flags: int) -> None:
    """Make the system call unshare: of the calling thread only."""
    _checked(_libc().unshare(ctypes.c_int(flags)), "unshare")


def prctl(option: int, value: int) -> None:
    """Make the system call prctl with one argument."""
    _checked(_libc().prctl(ctypes.c_int(option), ctypes.c_ulong(value), 0, 0, 0), "prctl")


def sethostname(name: str) -> None:
    """Make the system call sethostname."""
    encoded = name.encode()
    _checked(_libc().sethostname(encoded, ctypes.c_size_t(len(encoded))), name)


@cache
def _libc() -> "ctypes.CDLL":
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
