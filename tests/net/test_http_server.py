import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.authority import CertificateAuthority
from casemate.crypto.x509 import split_pem
from casemate.errors import HostError, PeerError
from casemate.net import tls
from casemate.net.http import HttpClient
from casemate.net.http_server import Answer, Request, Server
from casemate.net.presented import presented_certificate

HOST = "127.0.0.1"


async def echo(request: Request) -> Answer:
    return Answer(200, f"{request.method} {request.target} {len(request.body)}".encode())


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    server = Server(echo)
    await server.listen(HOST, 0)
    try:
        yield server
    finally:
        await server.close()


async def test_requests_with_and_without_body_on_one_connection() -> None:
    async with running() as server, HttpClient() as client:
        url = f"http://{HOST}:{server.port}"
        assert (await client.request("GET", f"{url}/a?b=c")).body == b"GET /a?b=c 0"
        assert (await client.request("POST", url, body=b"12345")).body == b"POST / 5"


async def test_headers_and_peer_reach_the_application() -> None:
    seen: list[Request] = []

    async def take(request: Request) -> Answer:
        seen.append(request)
        return Answer(204, b"")

    server = Server(take)
    await server.listen(HOST, 0)
    async with HttpClient() as client:
        await client.request("GET", f"http://{HOST}:{server.port}", [("X-One", "two")])
    await server.close()
    assert ("x-one", "two") in seen[0].headers
    assert seen[0].is_from_loopback


async def test_body_over_a_mebibyte_is_too_large() -> None:
    async with running() as server, HttpClient() as client:
        answer = await client.request("POST", f"http://{HOST}:{server.port}", body=bytes(2 << 20))
    assert answer.status == 413


async def test_taken_port_is_the_hosts_trouble() -> None:
    async with running() as server:
        with pytest.raises(HostError):
            await Server(echo).listen(HOST, server.port)


async def test_closing_ends_connections_that_are_open() -> None:
    async with running() as server:
        reader, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"GET / 0")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=200))
async def test_any_bytes_get_an_answer_or_a_closed_connection(data: bytes) -> None:
    async with running() as server:
        reader, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(data)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")


async def test_certificate_is_shown_without_being_trusted() -> None:
    issued = CertificateAuthority.create("nobody's").issue_server("server", [HOST])
    server = Server(echo, tls=tls.server_context(issued.certificate_pem, issued.key_pem))
    await server.listen(HOST, 0)
    shown = await presented_certificate(HOST, server.port)
    await server.close()
    assert shown == split_pem(issued.certificate_pem)[0]


async def test_no_tls_shows_no_certificate() -> None:
    async with running() as server:
        with pytest.raises(PeerError):
            await presented_certificate(HOST, server.port)
