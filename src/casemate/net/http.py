"""An HTTP/1.1 client over h11: bounded bodies, streams both ways, a small keep-alive pool.

Small enough for the guest. One client belongs to one event loop. Every wait is bounded by
``timeout`` seconds; a peer that cannot be reached is a PeerError naming host and port, a
certificate that does not prove the host is a VerificationError.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Final, Self, TypeAlias
from urllib.parse import urljoin, urlsplit

import h11

from casemate.errors import InputError, PeerError, Refusal, VerificationError

Headers: TypeAlias = tuple[tuple[str, str], ...]
Body: TypeAlias = bytes | AsyncIterator[bytes]

LARGEST_BODY: Final = 8 << 20
"""Largest body that ``request`` gathers unless told otherwise, in bytes."""

_READ: Final = 256 << 10
_LARGEST_HEAD: Final = 64 << 10
_IDLE: Final = 15.0
_IDLE_EACH: Final = 4
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SAFE_AGAIN: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Give the first header of that (lower-case) name."""
        return _first(self.headers, name)


class ResponseStream:
    """An answer whose body is still on its way: ``async for chunk in answer.chunks()``."""

    def __init__(self, connection: "_Connection", status: int, headers: Headers) -> None:
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


class HttpClient:
    """HTTP requests with a pool of at most four idle connections for each host.

    Args:
        anchors_pem: PEM certificates to trust instead of the system's; None takes the system's.
        timeout: longest wait for a connection, and for each next piece, in seconds.
    """

    def __init__(self, *, anchors_pem: str | None = None, timeout: float = 60.0) -> None:
        self._timeout = timeout
        self._anchors = anchors_pem
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}

    async def request(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        body: Body = b"",
        *,
        largest: int = LARGEST_BODY,
    ) -> Response:
        """Send a request and gather the answer; redirects are not followed.

        Raises:
            InputError: the URL is not http(s).
            PeerError: unreachable, silent, broken HTTP, or a body over ``largest`` bytes.
            VerificationError: the server's certificate does not prove the host.
        """
        async with self.stream(method, url, headers, body) as answer:
            return Response(answer.status, answer.headers, await answer.read(largest))

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        body: Body = b"",
        *,
        redirects: bool = False,
    ) -> AsyncIterator[ResponseStream]:
        """Send a request and give the answer with its body unread.

        With ``redirects``, up to five are followed (GET and HEAD only); credentials never go to
        another host, and https never falls back to http. Errors are those of ``request``.
        """
        headers = tuple(headers)
        for _ in range(_MOST_REDIRECTS + 1):
            connection, answer = await self._open(method, url, headers, body)
            try:
                target = answer.header("location")
                if not redirects or answer.status not in _REDIRECTS or target is None:
                    yield answer
                    return
                await answer.read()
            finally:
                self._put_back(connection)
            url, headers = _redirected(url, target, headers)
        raise PeerError(url, got="a chain of redirects", want=f"at most {_MOST_REDIRECTS}")

    async def close(self) -> None:
        """Close idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    async def _open(
        self, method: str, url: str, headers: Headers, body: Body
    ) -> tuple["_Connection", ResponseStream]:
        origin, target, host = _split(url)
        while connection := self._take(origin):
            try:
                return connection, await connection.exchange(method, target, host, headers, body)
            except PeerError:
                connection.close()
                if method not in _SAFE_AGAIN or not isinstance(body, bytes):
                    raise  # it may have been acted upon
            except BaseException:
                connection.close()
                raise
        connection = await self._connect(origin)
        try:
            return connection, await connection.exchange(method, target, host, headers, body)
        except BaseException:
            connection.close()
            raise

    async def _connect(self, origin: tuple[str, str, int]) -> "_Connection":
        scheme, host, port = origin
        where = f"{host}:{port}"
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await asyncio.open_connection(
                    host, port, ssl=self._context() if scheme == "https" else None, limit=_READ
                )
        except ssl.SSLCertVerificationError as error:
            raise VerificationError(_untrusted(where, error)) from error
        except TimeoutError as error:
            raise _unreachable(where, f"no answer in {self._timeout:g} s") from error
        except OSError as error:
            raise _unreachable(where, _reason(error)) from error
        return _Connection(origin, where, reader, writer, self._timeout)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cadata=self._anchors)
            except ssl.SSLError as error:
                raise InputError("trusted certificates", got=error, want="PEM") from error
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    def _take(self, origin: tuple[str, str, int]) -> "_Connection | None":
        connections = self._idle.get(origin, [])
        while connections:
            connection = connections.pop()
            if connection.is_fresh():
                return connection
            connection.close()
        return None

    def _put_back(self, connection: "_Connection") -> None:
        idle = self._idle.setdefault(connection.origin, [])
        if len(idle) < _IDLE_EACH and connection.reset():
            idle.append(connection)
        else:
            connection.close()


class _Connection:
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
                    self._http.receive_data(await self._reader.read(_READ))
        except h11.RemoteProtocolError as error:
            raise _broken(self.where, error) from error
        except TimeoutError as error:
            raise _broken(self.where, f"silence for {self._timeout:g} s") from error
        except OSError as error:
            raise _broken(self.where, error) from error
        return event


def _first(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key == name), None)


def _split(url: str) -> tuple[tuple[str, str, int], str, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        host = (parts.hostname or "").encode("idna").decode() if parts.hostname else ""
    except (ValueError, UnicodeError) as error:
        raise InputError("URL", got=url, want="http(s)://host[:port]/path") from error
    if not host or not port or any(c <= " " or c > "~" for c in url):
        raise InputError("URL", got=url, want="http(s)://host[:port]/path")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (parts.scheme, host, port), target, parts.netloc.rpartition("@")[2]


def _redirected(url: str, location: str, headers: Headers) -> tuple[str, Headers]:
    target = urljoin(url, location)
    (was, *_), (now, *_) = _split(url)[0], _split(target)[0]
    if was == "https" and now != "https":
        raise PeerError(url, got=f"a redirect to {target}", want="https to stay https")
    if _split(url)[0] != _split(target)[0]:
        headers = tuple(h for h in headers if h[0].lower() not in {"authorization", "cookie"})
    return target, headers


def _reason(error: OSError) -> str:
    """Say what the system said; asyncio's own words for a refused connection are less plain."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _unreachable(where: str, why: str) -> PeerError:
    return PeerError(
        where,
        got=why,
        want="a connection",
        remedy="Is the address right, the service running, and the network open to it?",
    )


def _broken(where: str, why: object) -> PeerError:
    return PeerError(where, got=why or type(why).__name__, want="a whole HTTP answer")


def _untrusted(where: str, error: ssl.SSLCertVerificationError) -> Refusal:
    return Refusal(
        step="tls",
        claim=f"certificate of {where}",
        got=error.verify_message,
        expected="a certificate for this host that a trusted authority issued",
        rule="TLS server authentication",
        remedy="If the server is the right one, give the certificate of its authority.",
    )
