"""A genuine quote over an old challenge, offered as the answer to a new one."""

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Send evidence with the very nonce and key it was made for, into another handshake."""
    recorded = scene.recording()
    async with scene.hostile_client() as client:
        new = await client.open("tpm")
        body = rcar.attestation(recorded.binding, recorded.evidence, initdata=scene.initdata_text)
        return await client.attest(new, body)


ATTACK = Attack(
    name="stale-nonce",
    title="genuine evidence over an old nonce",
    expects=("nonce",),
    run=run,
)
