"""A token that says everything is fine, signed by the attacker under an authority of its own."""

import base64
import time
from typing import Any

import msgspec

from casemate.crypto import base64url
from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.x509 import Usage, split_pem
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene

_AFFIRMING = {"ear.status": "affirming", "ear.trustworthiness-vector": {"executables": 3}}


async def run(scene: Scene) -> str:
    """Sign an affirming verdict with a key of our own, and ask for the secret with it."""
    signer = PrivateKey.generate(Kind.P256)
    signed = b".".join(
        base64url.encode(msgspec.json.encode(part)).encode()
        for part in (_header(signer), _verdict(int(time.time())))
    )
    token = f"{signed.decode()}.{base64url.encode(signer.sign(signed, 'ES256'))}"
    async with scene.hostile_client() as client:
        return f"{len(await client.resource(scene.secret_path, token))} bytes"


def _header(signer: PrivateKey) -> dict[str, Any]:
    """Name the key with a certificate, as the Trustee's own tokens do."""
    public = signer.public
    authority = CertificateAuthority.create("Casemate Trustee")
    name = "Casemate attestation results"
    leaf = split_pem(authority.issue_for_public_key(public.der(), name, Usage.DOCUMENT))[0]
    jwk = msgspec.to_builtins(public.jwk(alg="ES256"))
    jwk["x5c"] = [base64.b64encode(leaf).decode()]
    return {"typ": "JWT", "alg": "ES256", "jwk": jwk}


def _verdict(now: int) -> dict[str, Any]:
    return {
        "iss": "CoCo-Attestation-Service",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "submods": {"cpu0": _AFFIRMING},
        "tee-pubkey": msgspec.to_builtins(fresh_key().public),
    }


ATTACK = Attack(
    name="token-forged",
    title="verdict signed by the attacker",
    expects=("certificate",),
    run=run,
)
