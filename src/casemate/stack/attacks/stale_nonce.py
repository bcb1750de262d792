"""A genuine quote over an old challenge, offered as the answer to a new one."""

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene


async def run(scene: Scene) -> str:
    """Bind genuine evidence to the first challenge; send it into the second handshake."""
    key = fresh_key()
    async with scene.hostile_client() as client:
        old = rcar.bind((await client.open("tpm")).challenge, key)
        evidence = await scene.evidence(old.report_data().value)
        new = await client.open("tpm")
        return await client.attest(
            new, rcar.attestation(old, evidence, initdata=scene.initdata_text)
        )


ATTACK = Attack(
    name="stale-nonce",
    title="genuine evidence over an old nonce",
    expects=("nonce",),
    run=run,
)
