"""One bit of the root file system flipped on the host."""

from casemate.podvm.image import ROOT
from casemate.stack.attacks import tampered
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene

_WHERE = 1100
"""Byte of the disk: inside erofs's superblock, which is read by every boot."""


def _flip(root: bytes) -> bytes:
    return root[:_WHERE] + bytes([root[_WHERE] ^ 1]) + root[_WHERE + 1 :]


async def run(scene: Scene) -> str:
    """Boot from a disk that differs in one bit."""
    with tampered.copy(scene.image, ROOT, _flip) as folder:
        return await scene.boot(folder, scene.initdata)


ATTACK = Attack(
    name="root-flipped",
    title="one bit of the root file system flipped",
    expects=("dm-verity",),
    run=run,
    boots=True,
)
