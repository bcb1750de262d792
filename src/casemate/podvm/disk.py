"""The root disk: a read-only erofs image with its dm-verity hash tree behind it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux import program
from casemate.podvm.tree import Tree

BLOCK: Final = 4096
"""Block size of file system and hash tree, in bytes."""
_UUID: Final = "ca5e0a7e-0000-4000-8000-000000000001"
SALT: Final = bytes(32)
"""Fixed, so that the same tree has the same root hash. A salt only guards against tables made
beforehand, which find no second preimage of SHA-256 either."""
_PATIENCE: Final = 300.0
_ROOT_HASH: Final = re.compile(rb"^Root hash:\s+([0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verity:
    """How to open the disk: ``blocks`` of data at its start, the hash tree right behind them."""

    root_hash: bytes
    """32 bytes, SHA-256."""
    blocks: int
    salt: bytes = SALT

    @property
    def kernel_arguments(self) -> tuple[str, ...]:
        """What the initrd needs to open the disk; on the kernel's command line, so measured."""
        return (
            f"casemate.verity={self.root_hash.hex()}",
            f"casemate.blocks={self.blocks}",
            f"casemate.salt={self.salt.hex()}",
        )


def build(tree: Tree, image: Path, *, work: Path, compression: str) -> Verity:
    """Write the disk to ``image``: a function of the tree and the options alone.

    Args:
        tree: what the file system holds.
        image: file to make.
        work: folder for temporary files.
        compression: erofs algorithm, or empty for none.

    Raises:
        HostError: a tool is missing or fails, the disk is full.
    """
    work.mkdir()
    tree.write(work)
    options = [f"-z{compression}"] if compression else []
    program.run(
        ["mkfs.erofs", "--quiet", "-T0", f"-U{_UUID}", "--all-root", "-x-1", *options, image, work],
        timeout=_PATIENCE,
    )
    return _seal(image)


def _seal(image: Path) -> Verity:
    """Append the hash tree (format 1, SHA-256, no superblock; Linux, dm-verity)."""
    size = image.stat().st_size
    padded = -(-size // BLOCK) * BLOCK
    with image.open("r+b") as file:
        file.truncate(padded)
    blocks = padded // BLOCK
    done = program.run(
        ["veritysetup", "format", "--no-superblock", "--hash=sha256", f"--salt={SALT.hex()}",
         f"--data-block-size={BLOCK}", f"--hash-block-size={BLOCK}", f"--data-blocks={blocks}",
         f"--hash-offset={padded}", image, image],
        timeout=_PATIENCE,
    )  # fmt: skip
    found = _ROOT_HASH.search(done.stdout)
    if found is None:
        raise HostError("veritysetup format", got=done.stdout, want="a root hash")
    return Verity(bytes.fromhex(found[1].decode()), blocks)
