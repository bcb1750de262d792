"""One HTTP/1.1 connection: h11's state machine between the two ends of a stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic
from typing import Final, TypeAlias

import h11
import msgspec

from casemate.errors import InputError, PeerError

Headers: TypeAlias = tuple[tuple[str, str], ...]
Body: TypeAlias = bytes | AsyncIterator[bytes]

LARGEST_BODY: Final = 8 << 20
"""Largest body that ``request`` gathers unless told otherwise, in bytes."""

READ: Final = 256 << 10
"""Most bytes taken from a stream at once."""

_LARGEST_HEAD: Final = 64 << 10
_IDLE: Final = 15.0  # seconds; then a connection is not used again


class Response(msgspec.Struct, frozen=True):
    """A whole answer. Header names are lower case."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Give the first header of that (lower-case) name."""
        return _first(self.headers, name)


class ResponseStream:
    """An answer whose body is still on its way: ``async for chunk in answer.chunks()``."""

    def __init__(self, connection: "Connection", status: int, headers: Headers) -> None:
        self.status = status
        self.headers = headers
        self._connection = connection

    def header(self, name: str) -> str | None:
        """Give the first header of that (lower-case) name."""
        return _first(self.headers, name)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, in pieces of at most 256 KiB.

        Raises:
            PeerError: the connection broke, fell silent, or the body is shorter than promised.
        """
        while (chunk := await self._connection.read_body()) is not None:
            yield chunk

    async def read(self, largest: int = LARGEST_BODY) -> bytes:
        """Gather the body.

        Raises:
            PeerError: the body is larger than ``largest`` bytes, or broken.
        """
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > largest:
                raise PeerError(
                    self._connection.where,
                    got=f"a body over {largest} bytes",
                    want="a smaller one",
                )
        return bytes(body)


class Connection:
    """One connection and its h11 state machine."""

    def __init__(
        self,
        origin: tuple[str, str, int],
        where: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        timeout: float,
    ) -> None:
        self.origin = origin
        self.where = where
        self._reader = reader
        self._writer = writer
        self._timeout = timeout
        self._idle_since = monotonic()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)

    def is_fresh(self) -> bool:
        return not self._reader.at_eof() and monotonic() - self._idle_since < _IDLE

    def reset(self) -> bool:
        """Make ready for another exchange; False when this connection cannot have one."""
        with suppress(h11.RemoteProtocolError):
            if self._http.their_state is h11.SEND_BODY:
                self._http.next_event()  # the end of a body that is empty needs no more bytes
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self._idle_since = monotonic()
        return True

    def close(self) -> None:
        self._writer.transport.abort()

    async def exchange(
        self, method: str, target: str, host: str, headers: Headers, body: Body
    ) -> ResponseStream:
        try:
            await self._send_head(method, target, host, headers, body)
            await self._send_body(body)
        except h11.LocalProtocolError as error:
            raise InputError(f"request to {self.where}", got=error, want="valid HTTP") from error
        except (OSError, TimeoutError) as error:
            raise _broken(self.where, error) from error
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                break
            if not isinstance(event, h11.InformationalResponse):
                raise _broken(self.where, "no answer")
        heads = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in event.headers)
        return ResponseStream(self, event.status_code, heads)

    async def read_body(self) -> bytes | None:
        event = await self._next_event()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _send_head(
        self, method: str, target: str, host: str, headers: Headers, body: Body
    ) -> None:
        known = {name.lower() for name, _ in headers}
        head = [("host", host), *headers]
        if isinstance(body, bytes):
            if "content-length" not in known and (body or method in {"POST", "PUT", "PATCH"}):
                head.append(("content-length", str(len(body))))
        elif "content-length" not in known:
            head.append(("transfer-encoding", "chunked"))
        await self._write(h11.Request(method=method, target=target, headers=head))

    async def _send_body(self, body: Body) -> None:
        if isinstance(body, bytes):
            if body:
                await self._write(h11.Data(data=body))
        else:
            async for chunk in body:
                await self._write(h11.Data(data=chunk))
                await asyncio.sleep(0)  # else a body that waits for nothing never sees a peer go
        await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        if data := self._http.send(event):
            self._writer.write(data)
            async with asyncio.timeout(self._timeout):
                await self._writer.drain()

    async def _next_event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(self._timeout):
                    self._http.receive_data(await self._reader.read(READ))
        except h11.RemoteProtocolError as error:
            raise _broken(self.where, error) from error
        except TimeoutError as error:
            raise _broken(self.where, f"silence for {self._timeout:g} s") from error
        except OSError as error:
            raise _broken(self.where, error) from error
        return event


def _first(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key == name), None)


def _broken(where: str, why: object) -> PeerError:
    return PeerError(where, got=why or type(why).__name__, want="a whole HTTP answer")
