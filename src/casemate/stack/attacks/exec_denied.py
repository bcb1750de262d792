"""The host asks the agent to run a program of its own in the container."""

from casemate.stack.attacks.attack import Attack
from casemate.stack.command import casemate
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Read the secret by exec, as an operator of the node could try."""
    url = f"http://127.0.0.1:8006/cdh/resource/{scene.secret_path}"
    state = ("--state", scene.folder.root)
    await casemate("pod", "exec", *state, scene.pod.pod, "--", "wget", "-qO-", url)
    return "a program ran in the container"


ATTACK = Attack(
    name="exec-denied",
    title="program started in the container by the host",
    expects=("ExecProcess",),
    run=run,
)
