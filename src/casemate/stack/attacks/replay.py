"""Evidence of an earlier handshake, sent again under a fresh nonce."""

import msgspec

from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene
from casemate.wire import kbs


async def run(scene: Scene) -> str:
    """Take recorded evidence; in a later handshake claim that it answers the new nonce."""
    recorded = scene.recording()
    async with scene.hostile_client() as client:
        later = await client.open("tpm")
        nonce = kbs.parse_challenge(later.challenge).nonce
        claimed = msgspec.structs.replace(recorded.binding.runtime_data, nonce=nonce)
        binding = rcar.Binding(claimed, recorded.binding.algorithm)
        body = rcar.attestation(binding, recorded.evidence, initdata=scene.initdata_text)
        return await client.attest(later, body)


ATTACK = Attack(
    name="evidence-replayed",
    title="evidence of an earlier handshake, replayed",
    expects=("tpm.8 nonce",),
    run=run,
)
