"""A tiny HTTP/1.1 server over h11: whole small requests, whole answers, keep-alive.

Made for loopback interfaces inside the guest, where a web framework would cost more memory than
the rest of the process. Bodies, heads and idle time are bounded.
"""

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import h11
import msgspec

from casemate.errors import HostError

_READ: Final = 64 << 10
_LARGEST_HEAD: Final = 16 << 10
_LARGEST_BODY: Final = 1 << 20
_IDLE: Final = 60.0
_log = logging.getLogger(__name__)


class Request(msgspec.Struct, frozen=True):
    """A whole request. ``target`` is the request target as sent, query included."""

    method: str
    target: str
    body: bytes
    peer: str
    """Textual address of the other end, empty when it has none."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names are lower case."""

    @property
    def is_from_loopback(self) -> bool:
        """Whether the other end is this machine."""
        try:
            address = ipaddress.ip_address(self.peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


class Answer(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


Application: TypeAlias = Callable[[Request], Awaitable[Answer]]


class Server:
    """Serves one application until it is closed.

    Args:
        tls: serve HTTPS with this context.
    """

    def __init__(self, application: Application, *, tls: ssl.SSLContext | None = None) -> None:
        self._application = application
        self._tls = tls
        self._listener: asyncio.Server | None = None
        self.port = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> int:
        """Begin to listen; port 0 takes a free one. Gives the port once clients can connect.

        Raises:
            HostError: the address is taken, or not ours.
        """
        try:
            self._listener = await asyncio.start_server(
                self._connected, host, port, limit=_READ, ssl=self._tls
            )
        except OSError as error:
            raise HostError(f"listen on {host}:{port}", got=str(error), want="a free port") from (
                error
            )
        self.port = int(self._listener.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._listener is not None:
            self._listener.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await _Connection(self._application, reader, writer).run()
        except asyncio.CancelledError:
            if task.cancelling() == 0:
                raise
            _log.debug("HTTP server closes")
        finally:
            self._connections.discard(task)
            writer.close()


class _Connection:
    def __init__(
        self,
        application: Application,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._application = application
        self._reader = reader
        self._writer = writer
        self._peer = _address(writer)
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)

    async def run(self) -> None:
        try:
            while await self._exchange():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint)
        except (OSError, TimeoutError) as error:
            _log.debug("connection of %s ended: %s", self._peer, error)

    async def _exchange(self) -> bool:
        """Serve one request; tell whether the connection can carry another."""
        head = await self._next_event()
        if not isinstance(head, h11.Request):
            return False
        body = await self._read_body()
        if body is None:
            await self._refuse(413)
            return False
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers)
        request = Request(head.method.decode(), head.target.decode(), body, self._peer, headers)
        await self._send(await self._application(request), head.method == b"HEAD")
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _read_body(self) -> bytes | None:
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > _LARGEST_BODY:
                return None
        return bytes(body)

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            async with asyncio.timeout(_IDLE):
                self._http.receive_data(await self._reader.read(_READ))
        return event

    async def _send(self, answer: Answer, head_only: bool = False) -> None:  # noqa: FBT001, FBT002 - private
        headers = [
            ("content-type", answer.content_type),
            ("content-length", str(len(answer.body))),
            *answer.headers,
        ]
        await self._write(h11.Response(status_code=answer.status, headers=headers))
        if not head_only:
            await self._write(h11.Data(data=answer.body))
        await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")
        async with asyncio.timeout(_IDLE):
            await self._writer.drain()

    async def _refuse(self, status: int) -> None:
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self._send(Answer(status, b"not an HTTP request that is served here"))


def _address(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername")
    return peer[0].partition("%")[0] if isinstance(peer, tuple) else ""
