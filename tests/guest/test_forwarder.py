import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import PeerError
from casemate.guest import forwarder
from casemate.net.tls import client_context
from casemate.net.ttrpc import Client, Server
from casemate.wire.forwarder import ForwarderConfig

NAME = "podvm-demo-12345678"
AUTHORITY = CertificateAuthority.create("adaptor", lifetime=timedelta(days=1))
STRANGER = CertificateAuthority.create("stranger", lifetime=timedelta(days=1))


async def echo(payload: bytes) -> bytes:
    return payload


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    agent = Server({"s": {"Echo": echo}})
    await agent.serve_unix(tmp_path / "agent.sock")
    server = AUTHORITY.issue_server(NAME, [NAME])
    config = ForwarderConfig(
        pod_namespace="default",
        pod_name="demo",
        server_key=server.key_pem,
        server_certificate=server.certificate_pem,
        client_ca=AUTHORITY.certificate_pem,
    )
    forward = await forwarder.serve(config, agent=tmp_path / "agent.sock", host="127.0.0.1", port=0)
    yield forward.port
    await forward.close()
    await agent.close()


async def connect(port: int, context: ssl.SSLContext) -> Client:
    streams = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAME)
    return Client(*streams)


def context(authority: CertificateAuthority) -> ssl.SSLContext:
    mine = authority.issue_client("adaptor")
    return client_context(
        AUTHORITY.certificate_pem,
        certificate_pem=mine.certificate_pem,
        key_pem=mine.key_pem,
    )


async def test_adaptor_reaches_the_agent(port: int) -> None:
    async with await connect(port, context(AUTHORITY)) as client:
        assert await client.call("s", "Echo", b"x" * 100_000) == b"x" * 100_000


@pytest.mark.parametrize("who", ["stranger", "nobody"])
async def test_anyone_else_does_not(port: int, who: str) -> None:
    theirs = context(STRANGER) if who == "stranger" else client_context(AUTHORITY.certificate_pem)
    with pytest.raises((OSError, PeerError)):
        async with await connect(port, theirs) as client:
            await client.call("s", "Echo", b"x", timeout=5)


async def test_connections_are_independent(port: int) -> None:
    first = await connect(port, context(AUTHORITY))
    second = await connect(port, context(AUTHORITY))
    await first.close()
    assert await second.call("s", "Echo", b"still") == b"still"
    await second.close()


async def test_old_protocol_versions_are_refused(port: int) -> None:
    old = context(AUTHORITY)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):  # noqa: PT011  # ssl.SSLError or a reset, by timing
        await connect(port, old)
