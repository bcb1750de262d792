import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import CasemateError, InputError, PeerError
from casemate.net import http
from casemate.net.http import HttpClient

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    made = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with made:
        yield f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}"


def raw(*answers: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for data in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await writer.drain()

    return answer


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def test_request_gives_status_headers_and_body() -> None:
    async with server(raw(OK)) as url, HttpClient(timeout=5) as client:
        answer = await client.request("GET", url + "/x?y=1")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, b"hi", "2")


async def test_connection_is_kept_for_the_next_request() -> None:
    seen = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await raw(OK, OK)(reader, writer)

    async with server(answer) as url, HttpClient(timeout=5) as client:
        await client.request("GET", url)
        await client.request("GET", url)
    assert seen == 1


async def test_answer_without_body_keeps_the_connection_though_nobody_read_it() -> None:
    seen = 0
    empty = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await raw(empty, OK)(reader, writer)

    async with server(answer) as url, HttpClient(timeout=5) as client:
        async with client.stream("POST", url) as reply:
            assert reply.status == 202
        await client.request("GET", url)
    assert seen == 1


async def test_body_nobody_read_closes_the_connection() -> None:
    async with server(raw(OK)) as url, HttpClient(timeout=5) as client:
        async with client.stream("GET", url):
            pass
        assert (await client.request("GET", url)).body == b"hi"


async def test_stale_connection_is_replaced() -> None:
    async with server(raw(OK)) as url, HttpClient(timeout=5) as client:
        await client.request("GET", url)
        await asyncio.sleep(0.05)
        assert (await client.request("POST", url, body=b"")).status == 200


async def test_body_streams_up_and_down() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head.lower()
        body = await reader.readuntil(b"0\r\n\r\n")
        assert b"one" in body
        assert b"two" in body
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.writelines(b"4\r\nabcd\r\n" for _ in range(3))
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async with (
        server(answer) as url,
        HttpClient(timeout=5) as client,
        client.stream("PUT", url, body=body()) as reply,
    ):
        assert await reply.read() == b"abcd" * 3


async def test_body_over_the_limit_is_refused() -> None:
    async with server(raw(OK)) as url, HttpClient(timeout=5) as client:
        with pytest.raises(PeerError, match="over 1 bytes"):
            await client.request("GET", url, largest=1)


async def test_short_body_is_a_peer_error() -> None:
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"
    async with server(raw(short)) as url, HttpClient(timeout=5) as client:
        with pytest.raises(PeerError):
            await client.request("GET", url)


async def test_silence_is_a_peer_error() -> None:
    async def answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(answer) as url, HttpClient(timeout=0.1) as client:
        with pytest.raises(PeerError, match="silence"):
            await client.request("GET", url)


async def test_closed_port_names_host_and_port() -> None:
    async with server(raw(OK)) as url:
        pass
    async with HttpClient(timeout=5) as client:
        with pytest.raises(PeerError) as caught:
            await client.request("GET", url)
    assert url.removeprefix("http://") in str(caught.value)
    assert "running" in caught.value.remedy


async def test_redirect_to_another_host_loses_credentials() -> None:
    heads: list[bytes] = []

    async def second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    async with server(second) as other:
        move = (
            b"HTTP/1.1 307 Go\r\nContent-Length: 0\r\nLocation: " + other.encode() + b"/z\r\n\r\n"
        )
        async with server(raw(move)) as url, HttpClient(timeout=5) as client:
            head = [("Authorization", "Bearer x"), ("Accept", "y")]
            async with client.stream("GET", url, head, redirects=True) as answer:
                assert await answer.read() == b"hi"
    assert b"GET /z" in heads[0]
    assert b"Bearer" not in heads[0]
    assert b"accept: y" in heads[0].lower()


async def test_redirects_end() -> None:
    move = b"HTTP/1.1 307 Go\r\nContent-Length: 0\r\nLocation: /again\r\n\r\n"
    async with server(raw(*[move] * 9)) as url, HttpClient(timeout=5) as client:
        with pytest.raises(PeerError, match="redirects"):
            async with client.stream("GET", url, redirects=True):
                pass


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x/",
        "http://",
        "http://a:b/",
        "http://h/ x",
        "http://h:99999/",
        "http://h\n/",
        "http://h\u00f6st/",
        "http://a..b/",
        "http://.b/",
        f"http://{'a' * 64}.b/",
    ],
)
async def test_bad_url_is_the_callers_mistake(url: str) -> None:
    async with HttpClient() as client:
        with pytest.raises(InputError):
            await client.request("GET", url)


@pytest.mark.parametrize(
    "place", [b"http://[", b"//[x/", b"ftp://x/", b"http://a..b/", b"http://:1"]
)
async def test_redirect_to_nowhere_is_the_peers_mistake(place: bytes) -> None:
    move = b"HTTP/1.1 307 Go\r\nContent-Length: 0\r\nLocation: " + place + b"\r\n\r\n"
    async with server(raw(move)) as url, HttpClient(timeout=5) as client:
        with pytest.raises(PeerError, match="a redirect to"):
            async with client.stream("GET", url, redirects=True):
                pass


@given(st.text())
def test_any_text_at_all_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"https://{text}/x"):
        with suppress(InputError):
            http._split(url)
    with suppress(PeerError):
        http._redirected("https://a/b", text, ())


async def test_header_injection_is_refused() -> None:
    async with server(raw(OK)) as url, HttpClient(timeout=5) as client:
        with pytest.raises(InputError):
            await client.request("GET", url, [("x", "a\r\nb: c")])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]))
def test_any_answer_raises_only_our_errors(tail: bytes, head: bytes) -> None:
    async def run() -> None:
        async with server(raw(head + tail)) as url, HttpClient(timeout=1) as client:
            try:
                await client.request("GET", url)
            except CasemateError:
                return

    asyncio.run(run())
