"""Bytes from one stream to another, both ways, until both have ended."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from casemate.errors import HostError, PeerError
from casemate.net import unix

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK: Final = 1 << 16
_HANDSHAKE: Final = 60.0
"""Seconds for a TLS handshake: the guest's clock runs slow under emulation."""

_log = logging.getLogger(__name__)


async def pump(one: Streams, other: Streams) -> None:
    """Carry bytes both ways; when either side ends or breaks, both are closed."""
    ways = {
        asyncio.ensure_future(_carry(one[0], other[1])),
        asyncio.ensure_future(_carry(other[0], one[1])),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        one[1].close()
        other[1].close()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError as error:
        _log.debug("stream broke: %s", error)


async def connect_unix(path: Path) -> Streams:
    """Connect to a unix socket.

    Raises:
        PeerError: nobody listens there.
    """
    return await asyncio.open_unix_connection(sock=unix.connect(path))


class TlsForwarder:
    """Listens with TLS and joins each connection to one that ``connect`` makes."""

    def __init__(
        self,
        context: ssl.SSLContext,
        connect: Callable[[], Awaitable[Streams]],
        *,
        on_connection: Callable[[], None] | None = None,
    ) -> None:
        self._context = context
        self._connect = connect
        self._on_connection = on_connection
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("not listening yet")
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def listen(self, host: str, port: int) -> int:
        """Begin to listen; gives the port (a free one for port 0).

        Raises:
            HostError: the address is taken.
        """
        try:
            self._server = await asyncio.start_server(
                self._join, host, port, ssl=self._context, ssl_handshake_timeout=_HANDSHAKE
            )
        except OSError as error:
            raise HostError(f"listen on {host}:{port}", got=error, want="a free port") from error
        return self.port

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._pump(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        await asyncio.gather(task, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._on_connection is not None:
            self._on_connection()
        try:
            inner = await self._connect()
        except PeerError as error:
            _log.warning("forwarder: %s", error)
            writer.close()
            return
        await pump((reader, writer), inner)
