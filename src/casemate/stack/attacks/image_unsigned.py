"""An image in the owner's repository that the owner never signed."""

from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Push an encrypted image without a signature, and have the pod pull it."""
    reference = await scene.owner.publish("unsigned", signed_with=None)
    return f"it ran: {(await scene.add(reference))[:80]!r}"


ATTACK = Attack(
    name="image-unsigned",
    title="unsigned image",
    expects=("sign",),
    run=run,
)
