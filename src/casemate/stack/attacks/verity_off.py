"""Integrity of the root file system switched off on the kernel's command line."""

from casemate.podvm.image import UKI
from casemate.stack.attacks import tampered
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Boot with a command line that names no root hash, and a root that is whatever it is."""
    named = f"casemate.verity={scene.image.manifest.root_hash}".encode()
    with tampered.copy(
        scene.image, UKI, lambda uki: tampered.swap(uki, named, b"casemate.verity=off")
    ) as folder:
        return await scene.boot(folder, scene.initdata)


ATTACK = Attack(
    name="verity-off",
    title="verity switched off on the command line",
    expects=("dm-verity", "pcr", "executables"),
    run=run,
    boots=True,
)
