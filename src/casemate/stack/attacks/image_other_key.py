"""An image signed, but by another key than the owner's."""

from casemate.crypto.keys import Kind, PrivateKey
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Sign an image with a key of our own, and have the pod pull it."""
    key = PrivateKey.generate(Kind.P256)
    with scene.document("attacker.key", key.pem().reveal().decode()) as file:
        reference = await scene.owner.publish("other-key", signed_with=file)
    return f"it ran: {(await scene.add(reference))[:80]!r}"


ATTACK = Attack(
    name="image-other-key",
    title="image signed by another key",
    expects=("sign",),
    run=run,
)
