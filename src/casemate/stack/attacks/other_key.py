"""Evidence of VM 1 with the key of VM 2: secrets would be sealed to the wrong one."""

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Answer a challenge with VM 2's key, and VM 1's evidence, which vouches for its own key."""
    recorded = scene.recording()
    async with scene.hostile_client() as client:
        opened = await client.open("tpm")
        second = rcar.bind(opened.challenge, fresh_key())
        body = rcar.attestation(second, recorded.evidence, initdata=scene.initdata_text)
        return await client.attest(opened, body)


ATTACK = Attack(
    name="key-of-another-vm",
    title="evidence of VM 1 with the key of VM 2",
    expects=("tpm.8 nonce",),
    run=run,
)
