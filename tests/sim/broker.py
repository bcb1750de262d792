"""A key broker that says whatever a test wants, over real TLS: for lies, silence and stumbles."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from casemate.crypto import base64url, jwe
from casemate.crypto.authority import CertificateAuthority
from casemate.errors import Refusal
from casemate.net import tls
from casemate.net.http_server import Answer, Request, Server
from casemate.wire import kbs

AUTHORITY = CertificateAuthority.create("pinned authority")
STRANGER = CertificateAuthority.create("another authority")
NONCE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

Say = Callable[[Request], Answer]


def answer(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), "application/json")


def token(number: int = 1, lifetime: float = 300) -> str:
    claims = json.dumps({"iat": 1000, "exp": 1000 + lifetime, "n": number}).encode()
    return ".".join(base64url.encode(part) for part in (b'{"alg":"ES256"}', claims, b"s"))


def refusal(claim: str) -> Refusal:
    return Refusal(
        step="release",
        claim=claim,
        got="status contraindicated",
        expected="affirming",
        rule="the policy",
        remedy="Measure the image.",
    )


@dataclass
class Broker:
    """Answers by path below ``/kbs/v0/``; counts what it was asked."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    says: dict[str, Say] = field(default_factory=dict)
    lifetime: float = 300

    def asked(self, path: str) -> int:
        return sum(1 for request in self.requests if request.target == f"/kbs/v0/{path}")

    def sealed(self, secret: bytes) -> Answer:
        """Seal to the key of the last attestation, as a broker does."""
        attests = [r for r in self.requests if r.target == "/kbs/v0/attest"]
        key = kbs.parse_attestation(attests[-1].body).runtime_data.tee_pubkey
        return Answer(200, jwe.encrypt(secret, key), "application/json")

    async def reply(self, request: Request) -> Answer:
        self.requests.append(request)
        path = request.target.removeprefix("/kbs/v0/")
        if path in self.says:
            return self.says[path](request)
        if path == "auth":
            challenge = answer({"nonce": NONCE, "extra-params": ""})
            cookie = ("set-cookie", "kbs-session-id=0123; Expires=Thu, 01 Jan 2099 00:00:00 GMT")
            return Answer(200, challenge.body, challenge.content_type, (cookie,))
        if path == "attest":
            return answer({"token": token(self.asked("attest"), self.lifetime)})
        return answer({"type": "x/PluginNotFound", "detail": "nothing there"}, 404)


@asynccontextmanager
async def running(authority: CertificateAuthority = AUTHORITY) -> AsyncIterator[Broker]:
    issued = authority.issue_server("broker", ["127.0.0.1", "localhost"])
    context = tls.server_context(issued.certificate_pem, issued.key_pem)
    broker = Broker()
    server = Server(broker.reply, tls=context)
    broker.url = f"https://127.0.0.1:{await server.listen('127.0.0.1', 0)}"
    try:
        yield broker
    finally:
        await server.close()
