"""Fresh evidence of VM 1, but with the key of VM 2: secrets would be sealed to the wrong one."""

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Have VM 1 quote its own key over the right nonce; put another key beside the quote."""
    async with scene.hostile_client() as client:
        opened = await client.open("tpm")
        first = rcar.bind(opened.challenge, fresh_key())
        evidence = await scene.evidence(first.report_data().value)
        second = rcar.bind(opened.challenge, fresh_key())
        return await client.attest(
            opened, rcar.attestation(second, evidence, initdata=scene.initdata_text)
        )


ATTACK = Attack(
    name="key-of-another-vm",
    title="evidence of VM 1 with the key of VM 2",
    expects=("tpm.8 nonce",),
    run=run,
)
