"""ext4 on devices whose sectors were never written (guest-components §12.1).

Under dm-integrity such a sector fails its tag when read. So: blocks that mke2fs reads first are
written first, inode tables are written at once unless the caller knows better, and nothing else is
ever read before it is written.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from casemate.linux import block, mount
from casemate.linux.program import Completed, run

_BLOCK: Final = 4096
_READ_BY_MKE2FS: Final = 4 * _BLOCK
"""Bytes at the beginning."""
_LONGEST: Final = 600.0
_BACKUPS: Final = re.compile(rb"Superblock backups stored on blocks:\s*([0-9,\s]+)")
_LAZY: Final = "lazy_itable_init"
_NO_BACKUPS: Final = "num_backup_sb=0"
_TOLD: Final = ("-F", "-b", str(_BLOCK))


def make_ext4(device: Path, options: Sequence[str]) -> None:
    """Make an ext4 file system; ``options`` go to mke2fs.

    Raises:
        HostError: mke2fs fails.
    """
    words = written_tables(options)
    _write_first(device, _planned_backups(device, words))
    _mke2fs([*_TOLD, *words, str(device)])


def mount_ext4(device: Path, target: Path, options: Sequence[str]) -> None:
    """Mount at ``target``, which is made if need be.

    Raises:
        HostError: the kernel refuses.
    """
    target.mkdir(parents=True, exist_ok=True)
    mount.mount(device, target, "ext4", ("noatime", *options))


def written_tables(options: Sequence[str]) -> list[str]:
    """Ask for inode tables to be written now, unless the caller says which way it wants them."""
    words = list(options)
    if any(_LAZY in word for word in words):
        return words
    addition = f"{_LAZY}=0"
    for place in reversed(range(len(words))):
        if words[place] == "-E" and place + 1 < len(words):
            words[place + 1] += f",{addition}"
            return words
        if words[place].startswith("-E") and len(words[place]) > 2:
            words[place] += f",{addition}"
            return words
    return [*words, "-E", addition]


def backups(plan: bytes) -> list[int]:
    """Block numbers of the superblock backups, out of what ``mke2fs -n`` prints."""
    found = _BACKUPS.search(plan)
    return [int(n) for n in re.findall(rb"[0-9]+", found[1])] if found else []


def _planned_backups(device: Path, words: Sequence[str]) -> list[int]:
    if any(_NO_BACKUPS in word for word in words):
        return []
    return backups(_mke2fs(["-n", *_TOLD, *words, str(device)]).stdout)


def _write_first(device: Path, numbers: Sequence[int]) -> None:
    block.wipe(device, 0, _READ_BY_MKE2FS)
    for number in numbers:
        block.wipe(device, number * _BLOCK, _BLOCK)


def _mke2fs(arguments: Sequence[str]) -> Completed:
    return run(["mkfs.ext4", *arguments], timeout=_LONGEST)
