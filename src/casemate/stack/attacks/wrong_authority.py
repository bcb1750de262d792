"""An impostor answers in the Trustee's place, with a certificate of its own authority."""

from casemate.crypto.authority import CertificateAuthority
from casemate.net.impostor import listen
from casemate.stack.attacks.attack import Attack
from casemate.stack.scene import Scene
from casemate.stack.services import NAMES


async def run(scene: Scene) -> str:
    """Lead the pod to the impostor; the authority it pins is still the Trustee's."""
    forged = CertificateAuthority.create("Casemate Trustee").issue_server("localhost", NAMES)
    async with listen(forged.certificate_pem, forged.key_pem) as port:
        text = scene.initdata_text.replace(f":{scene.record.trustee_port}", f":{port}")
        with scene.document("initdata-impostor.toml", text) as file:
            return await scene.boot(scene.image.folder, file)


ATTACK = Attack(
    name="wrong-authority",
    title="Trustee with a certificate of another authority",
    expects=("certificate", "authority", "tls"),
    run=run,
    boots=True,
)
