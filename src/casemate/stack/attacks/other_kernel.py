"""Another kernel than the one that was measured: it differs in the name of who built it."""

from casemate.podvm.image import UKI
from casemate.stack.attacks import tampered
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Boot a kernel that works just as well, but that nobody vouched for."""
    with tampered.copy(
        scene.image, UKI, lambda uki: tampered.swap(uki, b"debian-kernel@", b"somebody-else@")
    ) as folder:
        return await scene.boot(folder, scene.initdata)


ATTACK = Attack(
    name="other-kernel",
    title="another kernel",
    expects=("pcr", "executables", "reference"),
    run=run,
    boots=True,
)
