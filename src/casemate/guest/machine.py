"""The bare machine made usable: kernel file systems and modules. Runs before all else."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import HostError
from casemate.linux import module, mount

SCRATCH_MODULES: Final = Path("/usr/lib/casemate/modules.scratch")
"""Kernel modules that a sealed disk needs: absolute paths, one a line, in the order to load them.

Part of the image, as the list beside it of what every pod needs; the initrd's program has loaded
that one, and this one where there is a scratch disk.
"""

VOLUME_MODULES: Final = Path("/usr/lib/casemate/modules.volumes")
"""The same for what owners' volumes need besides; loaded with the first of them."""

_HARD: Final = ("nosuid", "nodev", "noexec")


class Mount(msgspec.Struct, frozen=True):
    """One row of the table below."""

    fstype: str
    target: Path
    options: tuple[str, ...]
    if_there: bool = False
    """Mounted only where the kernel has made the target."""


MOUNTS: Final = (
    Mount("proc", Path("/proc"), _HARD),
    Mount("sysfs", Path("/sys"), _HARD),
    Mount("securityfs", Path("/sys/kernel/security"), _HARD),
    Mount("configfs", Path("/sys/kernel/config"), _HARD, if_there=True),  # reports of TDX, CCA
    Mount("devtmpfs", Path("/dev"), ("nosuid", "noexec", "mode=0755")),
    Mount("devpts", Path("/dev/pts"), ("nosuid", "noexec", "ptmxmode=0666", "mode=0620")),
    Mount("tmpfs", Path("/dev/shm"), ("nosuid", "nodev", "mode=1777")),  # noqa: S108  # its place
    Mount("mqueue", Path("/dev/mqueue"), _HARD),
    Mount("tmpfs", Path("/run"), ("nosuid", "nodev", "mode=0755")),
    Mount("tmpfs", Path("/tmp"), ("nosuid", "nodev", "mode=1777")),  # noqa: S108  # its place
    Mount("cgroup2", Path("/sys/fs/cgroup"), _HARD),
)

HARDENING: Final = (
    ("kernel/dmesg_restrict", "1"),
    ("kernel/kexec_load_disabled", "1"),
    ("kernel/kptr_restrict", "2"),
    ("kernel/sysrq", "0"),
    ("kernel/unprivileged_bpf_disabled", "1"),
    ("kernel/unprivileged_userns_clone", "0"),
)
"""Doors of the kernel that no pod needs; the host's serial line reaches the one of sysrq too."""


def mount_all(table: Sequence[Mount] = MOUNTS) -> None:
    """Mount what the initrd has not mounted already.

    Raises:
        HostError: the kernel refuses one.
    """
    for row in table:
        if mount.is_mount(row.target) or (row.if_there and not row.target.is_dir()):
            continue
        if not row.target.is_dir():
            row.target.mkdir()
        mount.mount(row.fstype, row.target, row.fstype, row.options)


def load_modules(listed: Path, load: Callable[[Path], None] = module.load) -> None:
    """Load the modules of a list of the image; those that are loaded already stay.

    Raises:
        HostError: one is missing or refused.
    """
    for file in module.read_list(listed):
        load(file)


def harden(settings: Path = Path("/proc/sys")) -> None:
    """Close the kernel's doors of ``HARDENING``.

    Raises:
        HostError: this kernel has not one of them, so it is not the image's.
    """
    for name, value in HARDENING:
        try:
            (settings / name).write_text(value, encoding="utf-8")
        except OSError as error:
            raise HostError(
                f"kernel setting {name}", got=error.strerror, want=f"to be set to {value}"
            ) from error
