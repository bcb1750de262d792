"""The pod's own configuration changed on the host: this one lets the host run programs inside."""

from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Boot the genuine image with an agent policy that allows exec."""
    text = scene.initdata_text
    changed = text.replace(
        "default ExecProcessRequest := false", "default ExecProcessRequest := true"
    )
    with scene.document("initdata-changed.toml", changed) as file:
        return await scene.boot(scene.image.folder, file)


ATTACK = Attack(
    name="initdata-changed",
    title="initdata changed on the host",
    expects=("initdata", "init_data", "pcr08"),
    run=run,
    boots=True,
)
