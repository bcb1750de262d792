"""Kernel modules of the pod VM: which, and in the order in which they can be loaded."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from casemate.errors import InputError
from casemate.podvm import elf

INITRD: Final = {
    "modules": ("virtio_pci", "virtio_blk"),
    "modules.beside": ("blake2b_generic", "dm_verity", "erofs"),
}
"""What the initrd needs to reach the root file system, by the names of its lists.

The second is loaded on another processor, while the first looks for disks.
"""

BOOT: Final = (
    "virtio_rng",  # entropy beside the processor's
    "virtio_net",  # the pod's network
    "overlay",  # container roots
)
"""What the guest's init loads before anything else."""

SCRATCH: Final = ("dm_crypt", "dm_integrity", "aegis128", "aegis128_aesni")
"""What the scratch disk needs; loaded by the process that seals it."""

VOLUMES: Final = ("authenc", "xts", "aesni_intel", "sha256_ssse3", "loop")
"""What owners' volumes need besides; loaded with the first of them, since few pods have any."""


def plan(folder: Path, wanted: Iterable[str]) -> list[Path]:
    """Order the modules ``wanted`` and all they depend on, so that each comes after its own.

    Modules built into the kernel are left out.

    Args:
        folder: ``lib/modules/<release>`` of the kernel's package.
        wanted: module names, with underscores.

    Returns:
        Paths below ``folder``.

    Raises:
        InputError: a module is neither there nor built in.
    """
    files = {_name(path.stem): path for path in sorted(folder.rglob("*.ko"))}
    builtin = {_name(Path(line).stem) for line in _lines(folder / "modules.builtin")}
    order: list[Path] = []
    for name in wanted:
        _visit(_name(name), files, builtin, order.append, done=order)
    return order


def plan_initrd(folder: Path) -> dict[str, list[Path]]:
    """Order the modules of each of the initrd's lists; what an earlier list has is in no later one.

    Raises:
        InputError: as :func:`plan`.
    """
    plans: dict[str, list[Path]] = {}
    for name, wanted in INITRD.items():
        known = {module for listed in plans.values() for module in listed}
        plans[name] = [module for module in plan(folder, wanted) if module not in known]
    return plans


def _visit(
    name: str,
    files: Mapping[str, Path],
    builtin: set[str],
    add: Callable[[Path], None],
    *,
    done: list[Path],
) -> None:
    if name in builtin or files.get(name) in done:
        return
    if name not in files:
        raise InputError("kernel module", got=name, want="one of the kernel's package")
    for dependency in _dependencies(files[name]):
        _visit(dependency, files, builtin, add, done=done)
    add(files[name])


def _dependencies(module: Path) -> list[str]:
    facts = elf.module_facts(module.read_bytes())
    return [_name(d) for text in facts.get("depends", []) for d in text.split(",") if d]


def _name(text: str) -> str:
    return text.replace("-", "_")


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").split()
