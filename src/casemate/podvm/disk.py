"""The root disk: a read-only erofs image with its dm-verity hash tree behind it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.linux import program
from casemate.podvm import verity
from casemate.podvm.tree import Tree

_UUID: Final = "ca5e0a7e-0000-4000-8000-000000000001"
_PATIENCE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Verity:
    """How to open the disk: ``blocks`` of data at its start, the hash tree right behind them."""

    root_hash: bytes
    """32 bytes, BLAKE2b."""
    blocks: int
    salt: bytes = verity.SALT

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
    """Append the hash tree."""
    data = image.read_bytes()
    data += bytes(-len(data) % verity.BLOCK)
    made = verity.tree(data)
    image.write_bytes(data + made.blocks)
    return Verity(made.root, len(data) // verity.BLOCK)
