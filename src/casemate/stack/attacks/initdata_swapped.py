"""Genuine evidence, shown with another initdata document than the pod was bound to."""

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Show a harmless document for a pod that runs with another."""
    async with scene.hostile_client() as client:
        opened = await client.open("tpm")
        binding = rcar.bind(opened.challenge, fresh_key())
        evidence = await scene.evidence(binding.report_data().value)
        shown = scene.initdata_text + "\n# harmless\n"
        return await client.attest(opened, rcar.attestation(binding, evidence, initdata=shown))


ATTACK = Attack(
    name="initdata-swapped",
    title="another initdata shown than the pod was bound to",
    expects=("initdata", "pcr08"),
    run=run,
)
