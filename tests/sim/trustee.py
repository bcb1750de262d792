"""A real Trustee (profile development, sample evidence), served in process over real TLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from casemate.net import tls
from casemate.net.http_server import Answer, Request, Server
from casemate.secret import Secret
from casemate.trustee.found import found
from casemate.trustee.kbs.exchange import Ask
from casemate.trustee.kbs.resource import Resources
from casemate.trustee.serve import Trustee


@dataclass(frozen=True)
class RunningTrustee:
    """Where it listens, whom to trust, and its own parts."""

    url: str
    authority: str
    trustee: Trustee

    def put(self, path: str, content: bytes) -> None:
        """Set a resource, as its owner would."""
        Resources(self.trustee.storage).put(path.split("/"), content)


@asynccontextmanager
async def running(
    folder: Path, *, policy: str = "allow_all", **overrides: object
) -> AsyncIterator[RunningTrustee]:
    """Found and serve a Trustee; ``policy`` names one of the shipped resource policies."""
    found(folder)
    settings = {"profile": "development", "sample": True, "resource_policy": policy}
    trustee = Trustee.build(
        folder / "trustee.toml", environment={}, overrides={**settings, **overrides}
    )

    broker = trustee.broker
    assert broker is not None

    async def reply(request: Request) -> Answer:
        ask = Ask(
            method=request.method,
            target=request.target,
            headers=dict(request.headers),
            body=request.body,
            peer=request.peer,
        )
        answer = broker.answer(ask)
        return Answer(answer.status, answer.body, "application/octet-stream", answer.headers)

    key = Secret((folder / "server.key").read_bytes())
    context = tls.server_context((folder / "server.pem").read_bytes(), key)
    server = Server(reply, tls=context)
    port = await server.listen("127.0.0.1", 0)
    try:
        yield RunningTrustee(f"https://127.0.0.1:{port}", (folder / "ca.pem").read_text(), trustee)
    finally:
        await server.close()
        trustee.close()
