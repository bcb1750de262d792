"""The genuine pod made to vouch for the host's own key: secrets would be sealed to the host."""

from casemate.crypto import base64url
from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Have a container of the owner's image quote the host's key; answer a challenge with it."""
    async with scene.hostile_client() as client:
        opened = await client.open("tpm")
        binding = rcar.bind(opened.challenge, fresh_key())
        asked = base64url.encode(binding.report_data().value)
        url = f"http://127.0.0.1:8006/aa/evidence?runtime_data={asked}&encoding=base64"
        evidence = await scene.add(scene.reference, "/bin/busybox", "wget", "-qO-", url)
        body = rcar.attestation(binding, evidence, initdata=scene.initdata_text)
        return await client.attest(opened, body)


ATTACK = Attack(
    name="evidence-borrowed",
    title="genuine pod made to vouch for the host's key",
    expects=("CreateContainer",),
    run=run,
)
