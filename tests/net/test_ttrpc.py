import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from casemate.errors import PeerError, Refusal, VerificationError
from casemate.net.ttrpc import Client, Method, Server
from casemate.wire.ttrpc_status import Code, TtrpcError

REFUSAL = Refusal(step="s", claim="c", got="g", expected="e", rule="r", remedy="m")


async def echo(payload: bytes) -> bytes:
    return payload


async def sleep_long(_: bytes) -> bytes:
    await asyncio.sleep(60)
    return b""


async def refuse(_: bytes) -> bytes:
    raise VerificationError(REFUSAL)


async def crash(_: bytes) -> bytes:
    raise ZeroDivisionError("hunter2")


METHODS: dict[str, Method] = {"Echo": echo, "Sleep": sleep_long, "Refuse": refuse, "Crash": crash}


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[tuple[Server, Client]]:
    server = Server({"test.Service": METHODS})
    await server.serve_unix(folder / "deep" / "test.sock")
    try:
        async with await Client.connect_unix(folder / "deep" / "test.sock") as client:
            yield server, client
    finally:
        await server.close()


async def test_call_gives_the_answer(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, client):
        assert await client.call("test.Service", "Echo", b"hello") == b"hello"


async def test_long_poll_does_not_hold_others_back(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, client), asyncio.TaskGroup() as group:
        polls = [group.create_task(client.call("test.Service", "Sleep", b"")) for _ in range(50)]
        await asyncio.sleep(0)
        answers = [client.call("test.Service", "Echo", bytes([i])) for i in range(200)]
        assert await asyncio.gather(*answers) == [bytes([i]) for i in range(200)]
        for poll in polls:
            poll.cancel()


async def test_refusal_reaches_the_caller(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, client):
        with pytest.raises(VerificationError) as caught:
            await client.call("test.Service", "Refuse", b"")
        assert caught.value.refusal == REFUSAL


async def test_broken_method_is_internal_and_says_no_more(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, client):
        with pytest.raises(TtrpcError) as caught:
            await client.call("test.Service", "Crash", b"")
        assert caught.value.code is Code.INTERNAL
        assert "hunter2" not in str(caught.value)
        assert await client.call("test.Service", "Echo", b"on") == b"on"


@pytest.mark.parametrize(("service", "method"), [("test.Service", "Nope"), ("no.Service", "Echo")])
async def test_unknown_names_are_unimplemented(tmp_path: Path, service: str, method: str) -> None:
    async with pair(tmp_path) as (_, client):
        with pytest.raises(TtrpcError) as caught:
            await client.call(service, method, b"")
        assert caught.value.code is Code.UNIMPLEMENTED


async def test_deadline_is_kept(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, client):
        with pytest.raises(TtrpcError) as caught:
            await client.call("test.Service", "Sleep", b"", timeout=0.05)
        assert caught.value.code is Code.DEADLINE_EXCEEDED


async def test_lost_connection_fails_open_calls(tmp_path: Path) -> None:
    async with pair(tmp_path) as (server, client), asyncio.TaskGroup() as group:
        call = group.create_task(_fails(client))
        await asyncio.sleep(0.05)
        await server.close()
        await call
        with pytest.raises(PeerError):
            await client.call("test.Service", "Echo", b"")


async def _fails(client: Client) -> None:
    with pytest.raises(PeerError):
        await client.call("test.Service", "Sleep", b"")


async def test_socket_path_may_be_longer_than_an_address(tmp_path: Path) -> None:
    async with pair(tmp_path / ("d" * 60) / ("e" * 60)) as (_, client):
        assert await client.call("test.Service", "Echo", b"x") == b"x"


async def test_nobody_listening_is_the_peers_fault(tmp_path: Path) -> None:
    with pytest.raises(PeerError):
        await Client.connect_unix(tmp_path / "none.sock")


async def test_only_the_owner_may_open_the_socket(tmp_path: Path) -> None:
    async with pair(tmp_path):
        assert (tmp_path / "deep" / "test.sock").stat().st_mode & 0o777 == 0o600


async def test_large_payloads_pass_both_ways(tmp_path: Path) -> None:
    payload = bytes(range(256)) * 16000
    async with pair(tmp_path) as (_, client):
        assert await client.call("test.Service", "Echo", payload) == payload
