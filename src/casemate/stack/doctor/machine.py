"""Memory, disk space, and what this user may do."""

import os
import shutil
from pathlib import Path
from typing import Final

from casemate.stack.doctor.finding import Finding, Grade

_GIB: Final = 1 << 30
_MEMORY: Final = 2 * _GIB
"""Bytes available: two pod VMs side by side, and the stack."""
_DISK: Final = 4 * _GIB
"""Bytes free: building the pod VM image takes most of it."""


def memory() -> Finding:
    """Look at the memory that could be had without swapping (proc(5), MemAvailable)."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    enough = kib * 1024 >= _MEMORY
    return Finding(
        name="memory",
        grade=Grade.OK if enough else Grade.NOTE,
        found=f"{kib * 1024 / _GIB:.1f} GiB available",
        remedy="" if enough else "Close what takes memory; two pod VMs want 2 GiB.",
    )


def disk(name: str, folder: Path) -> Finding:
    """Look at the space left where ``folder`` is, or will be."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    enough = free >= _DISK
    return Finding(
        name=name,
        grade=Grade.OK if enough else Grade.NOTE,
        found=f"{free / _GIB:.1f} GiB free at {there}",
        remedy="" if enough else "Make room: building the pod VM image wants 4 GiB.",
    )


def user(path: str) -> Finding:
    """Look at who we are. Nothing in the stack needs root; installing packages does."""
    if os.geteuid() == 0:
        return Finding(name="user", grade=Grade.OK, found="root")
    if shutil.which("sudo", path=path) is not None:
        return Finding(name="user", grade=Grade.OK, found="not root; sudo is there")
    return Finding(
        name="user",
        grade=Grade.NOTE,
        found="not root, and no sudo",
        remedy="Enough to run the stack; ask root to install packages.",
    )
