"""Evidence of the sample TEE, which anyone can write, judged by the production policy."""

import base64

import msgspec

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.production import production_trustee
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Write sample evidence for a fresh challenge; every nonce and digest of it is right."""
    async with production_trustee() as client:
        opened = await client.open("sample")
        binding = rcar.bind(opened.challenge, fresh_key())
        report = base64.b64encode(binding.report_data().value).decode()
        evidence = msgspec.json.encode({"svn": "1", "report_data": report})
        token = await client.attest(opened, rcar.attestation(binding, evidence))
        return f"{len(await client.resource(scene.secret_path, token))} bytes"


ATTACK = Attack(
    name="sample-evidence",
    title="sample evidence against the production policy",
    expects=("default_cpu: hardware",),
    run=run,
)
