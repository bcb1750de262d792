"""The owner's own signed image, started by the host with another program than the owner's."""

from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Have the genuine image print the secret instead of its digest: the logs are the host's."""
    url = f"http://127.0.0.1:8006/cdh/resource/{scene.secret_path}"
    told = await scene.add(scene.reference, "/bin/busybox", "wget", "-qO-", url)
    return f"it printed {len(told)} bytes"


ATTACK = Attack(
    name="container-changed",
    title="owner's image started with another command",
    expects=("CreateContainer",),
    run=run,
)
