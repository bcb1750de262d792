"""Evidence of an earlier handshake, sent again under a fresh nonce."""

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Record genuine evidence; in a later handshake claim that it answers the new nonce."""
    async with scene.hostile_client() as client:
        earlier = rcar.bind((await client.open("tpm")).challenge, fresh_key())
        recorded = await scene.evidence(earlier.report_data().value)
        later = await client.open("tpm")
        claimed = rcar.bind(later.challenge, fresh_key())
        return await client.attest(
            later, rcar.attestation(claimed, recorded, initdata=scene.initdata_text)
        )


ATTACK = Attack(
    name="evidence-replayed",
    title="evidence of an earlier handshake, replayed",
    expects=("report data", "report_data", "nonce"),
    run=run,
)
