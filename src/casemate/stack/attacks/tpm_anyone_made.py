"""A TPM in software that claims to be the pod's: same registers, same log, right nonce and key."""

import msgspec

from casemate.crypto.authority import CertificateAuthority
from casemate.guest.attestation import rcar
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.tee.vtpm.report import TpmEvidence
from casemate.wire.eventlog import EventLog
from casemate.wire.initdata import parse


async def run(scene: Scene) -> str:
    """Forge everything but the platform's signature over the attestation key."""
    genuine = msgspec.json.decode(scene.recording().evidence, type=TpmEvidence)
    forger = SoftwareTpm(
        CertificateAuthority.create("Casemate local platform"),
        EventLog.parse(genuine.event_log).events,
    )
    forger.bind_init_data(parse(scene.initdata.read_bytes()).digest)
    async with scene.hostile_client() as client:
        opened = await client.open("tpm")
        binding = rcar.bind(opened.challenge, fresh_key())
        evidence = forger.evidence(binding.report_data().value)
        body = rcar.attestation(binding, evidence, initdata=scene.initdata_text)
        return await client.attest(opened, body)


ATTACK = Attack(
    name="tpm-anyone-made",
    title="the right measurements, quoted by a TPM of the attacker",
    expects=("tpm.2 certificate",),
    run=run,
)
