"""NVIDIA's attestation service in software: signed verdicts on what it is asked."""

from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.crypto import jwt
from casemate.crypto.jwk import EcJwk
from casemate.crypto.keys import Kind, PrivateKey
from casemate.tee.nvidia.fake_chain import choice
from casemate.tee.nvidia.options import NvidiaOptions
from casemate.tee.nvidia.remote import JWKS_NAME, Asked
from casemate.tee.simulation import Changes

FIELDS: Final = MappingProxyType(
    {
        "mode": "local, or remote: NVIDIA's service vouches too",
        "token_issuer": "text; who issued the tokens",
        "token_nonce": "hex; the nonce that tokens speak of",
        "token_result": "true or false; the service's overall verdict",
        "token_match": "true or false; whether the nonce matched, of each device",
        "token_key": "known, or unknown: signed by a key that the service does not publish",
        "token_expired": "true: the tokens have ended",
        "token_kind": "right, or wrong: about the other kind of device",
        "token_count": "number; of devices that the service speaks of",
    }
)
_KEY_ID: Final = "nv-simulated"
_MINUTES: Final = 600  # seconds that a token serves


class Service:
    """The service, with a key of its own."""

    def __init__(self, changes: Changes, now: datetime) -> None:
        self._changes = changes
        self._now = int(now.timestamp())
        self._key = PrivateKey.generate(Kind.P384)
        known = choice(changes, "token_key", "known", "unknown") == "known"
        shown = (self._key if known else PrivateKey.generate(Kind.P384)).public.jwk()
        assert isinstance(shown, EcJwk)
        named = msgspec.structs.replace(shown, kid=_KEY_ID)
        self.jwks = {JWKS_NAME: msgspec.json.encode({"keys": [named]})}

    def answer(self, asked: Asked) -> bytes:
        """Answer a question."""
        kind = asked.tee_class
        if choice(self._changes, "token_kind", "right", "wrong") == "wrong":
            kind = "switch" if kind == "gpu" else "gpu"
        count = self._changes.number("token_count", len(asked.devices))
        overall = self._token(
            asked,
            {"x-nvidia-overall-att-result": self._changes.flag("token_result", default=True)},
        )
        match = self._changes.flag("token_match", default=True)
        detached = {
            f"{kind.upper()}-{number}": self._token(
                asked,
                {
                    f"x-nvidia-{asked.tee_class}-attestation-report-nonce-match": match,
                    "hwmodel": f"simulated {asked.architecture} {number}",
                },
            )
            for number in range(count)
        }
        return msgspec.json.encode([["JWT", overall], detached])

    def _token(self, asked: Asked, own: dict[str, Any]) -> str:
        expires = -_MINUTES if self._changes.flag("token_expired") else _MINUTES
        claims = {
            "iss": self._changes.text("token_issuer", NvidiaOptions().nras_issuer),
            "eat_nonce": self._changes.data("token_nonce", asked.nonce).hex(),
            "iat": self._now,
            "exp": self._now + expires,
            **own,
        }
        return jwt.sign(
            claims, self._key, header=jwt.encode_header({"alg": "ES384", "kid": _KEY_ID})
        )
