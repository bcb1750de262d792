"""A bit of an encrypted layer flipped where the registry keeps it."""

from casemate.errors import HostError
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Publish as the owner does; change the stored layer; have the pod pull it."""
    reference = await scene.owner.publish("tampered", signed_with=await scene.owner.signing_key())
    _flip(scene, await scene.owner.layer_digest(reference))
    return f"it ran: {(await scene.add(reference))[:80]!r}"


def _flip(scene: Scene, digest: str) -> None:
    """Change the middle byte of a blob in the registry's storage."""
    algorithm, _, name = digest.partition(":")
    blobs = scene.folder.registry / "storage/docker/registry/v2/blobs"
    file = blobs / algorithm / name[:2] / name / "data"
    if not file.exists():
        raise HostError("attack", got=f"no {file}", want="the layer in the registry's storage")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


ATTACK = Attack(
    name="layer-tampered",
    title="encrypted layer tampered with in the registry",
    expects=("layer", "digest", "hmac"),
    run=run,
)
