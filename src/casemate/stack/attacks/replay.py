"""Evidence of an earlier handshake, sent again under a fresh nonce."""

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Take recorded evidence; in a later handshake claim that it answers the new nonce."""
    recorded = await scene.recording()
    async with scene.hostile_client() as client:
        later = await client.open("tpm")
        claimed = rcar.bind(later.challenge, fresh_key())
        body = rcar.attestation(claimed, recorded.evidence, initdata=scene.initdata_text)
        return await client.attest(later, body)


ATTACK = Attack(
    name="evidence-replayed",
    title="evidence of an earlier handshake, replayed",
    expects=("tpm.8 nonce",),
    run=run,
)
