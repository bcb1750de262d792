"""A token that says everything is fine, signed by the attacker."""

import time

import msgspec

from casemate.crypto import base64url
from casemate.crypto.keys import Kind, PrivateKey
from casemate.stack.attacks.attack import Attack
from casemate.stack.attacks.client import fresh_key
from casemate.stack.scene import Scene

_AFFIRMING = {"ear.status": "affirming", "ear.trustworthiness-vector": {"executables": 3}}


async def run(scene: Scene) -> str:
    """Sign an affirming verdict with a key of our own, and ask for the secret with it."""
    now = int(time.time())
    signer = PrivateKey.generate(Kind.P256)
    claims = {
        "iss": "CoCo-Attestation-Service",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "submods": {"cpu0": _AFFIRMING},
        "tee-pubkey": msgspec.to_builtins(fresh_key().public),
    }
    header = {
        "alg": "ES256",
        "typ": "JWT",
        "jwk": msgspec.to_builtins(signer.public.jwk(alg="ES256")),
    }
    signed = b".".join(
        base64url.encode(msgspec.json.encode(part)).encode() for part in (header, claims)
    )
    token = f"{signed.decode()}.{base64url.encode(signer.sign(signed, 'ES256'))}"
    async with scene.hostile_client() as client:
        return f"{len(await client.resource(scene.secret_path, token))} bytes"


ATTACK = Attack(
    name="token-forged",
    title="verdict signed by the attacker",
    expects=("token", "signature", "401"),
    run=run,
)
