"""A vendor's key service over HTTPS on a free port of loopback, which fails as real ones do."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from casemate.crypto.authority import CertificateAuthority
from casemate.net.tls import server_context


@dataclass(frozen=True)
class Reply:
    """An answer; ``promised`` is the length that its head claims, the body's own unless given."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    promised: int | None = None
    silent: bool = False
    """Nothing follows the head, and the connection stays open."""
    drips: bool = False
    """Byte after byte follows, for as long as the client listens."""


def later(seconds: int | str = 1, status: int = 429) -> Reply:
    return Reply(status, b"slow down", (("Retry-After", str(seconds)),))


BROKEN = Reply(500, b"internal error")
SLOW = Reply(promised=100, silent=True)
PORTAL = Reply(200, b"<html>please log in</html>", (("Content-Type", "text/html"),))


def truncated(body: bytes) -> Reply:
    return Reply(200, body[: len(body) // 2], promised=len(body))


@dataclass
class VendorService:
    """What it publishes, what it does instead at first, and what it was asked."""

    authority: CertificateAuthority = field(
        default_factory=lambda: CertificateAuthority.create("vendor's web server")
    )
    documents: dict[str, Reply] = field(default_factory=dict)
    """Request target (with its query) → answer; 404 for others."""
    first: dict[str, list[Reply]] = field(default_factory=dict)
    """Request target, or ``*``, → what comes before the right answer, one a time."""
    asked: Counter[str] = field(default_factory=Counter)
    bodies: list[bytes] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it was asked anything."""
    at_once: int = 0
    most_at_once: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def anchors_pem(self) -> str:
        return self.authority.certificate_pem.decode()

    def publish(self, target: str, body: bytes, *headers: tuple[str, str]) -> None:
        self.documents[target] = Reply(200, body, headers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["VendorService"]:
        server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._context(), backlog=64
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()
            async with asyncio.timeout(10):
                # its clients have gone; it must notice
                while getattr(server, "_active_count", 0):  # noqa: ASYNC110
                    await asyncio.sleep(0)

    def _context(self) -> ssl.SSLContext:
        issued = self.authority.issue_server("vendor", ["localhost", "127.0.0.1"])
        return server_context(issued.certificate_pem, issued.key_pem)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._exchange(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, as a client may
        finally:
            self.at_once -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        target = head.split(" ", 2)[1]
        for line in head.lower().split("\r\n"):
            if line.startswith("content-length:"):
                self.bodies.append(await reader.readexactly(int(line.partition(":")[2])))
        self.asked[target] += 1
        self.reached.set()
        reply = self._reply(target)
        length = len(reply.body) if reply.promised is None else reply.promised
        lines = [
            f"HTTP/1.1 {reply.status} X",
            f"Content-Length: {length}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in reply.headers),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body)
        await writer.drain()
        while reply.drips and not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)
        if reply.silent:
            await reader.read()  # until the client gives up

    def _reply(self, target: str) -> Reply:
        for key in (target, "*"):
            if queue := self.first.get(key):
                return queue.pop(0)
        return self.documents.get(target, Reply(404, b"unknown"))
