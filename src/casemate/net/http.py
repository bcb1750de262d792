"""An HTTP/1.1 client over h11: bounded bodies, streams both ways, a small keep-alive pool.

Small enough for the guest. One client belongs to one event loop. Every wait is bounded by
``timeout`` seconds; a peer that cannot be reached is a PeerError naming host and port, a
certificate that does not prove the host is a VerificationError.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urljoin, urlsplit

from casemate.errors import InputError, PeerError, Refusal, VerificationError, quote
from casemate.net.http_connection import (
    LARGEST_BODY,
    READ,
    Body,
    Connection,
    Headers,
    Response,
    ResponseStream,
)

__all__ = ["LARGEST_BODY", "Body", "Headers", "HttpClient", "Response", "ResponseStream"]

_IDLE_EACH: Final = 4
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LONGEST_LABEL: Final = 63
_SAFE_AGAIN: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


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
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}

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
    ) -> tuple[Connection, ResponseStream]:
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

    async def _connect(self, origin: tuple[str, str, int]) -> Connection:
        scheme, host, port = origin
        where = f"{host}:{port}"
        try:
            async with asyncio.timeout(self._timeout):
                tls = scheme == "https"
                reader, writer = await asyncio.open_connection(
                    host,
                    port,
                    ssl=self._context() if tls else None,
                    server_hostname=_plain(host) if tls else None,
                    limit=READ,
                )
        except ssl.SSLCertVerificationError as error:
            raise VerificationError(_untrusted(where, error)) from error
        except TimeoutError as error:
            raise _unreachable(where, f"no answer in {self._timeout:g} s") from error
        except OSError as error:
            raise _unreachable(where, _reason(error)) from error
        return Connection(origin, where, reader, writer, self._timeout)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cadata=self._anchors)
            except ssl.SSLError as error:
                raise InputError("trusted certificates", got=error, want="PEM") from error
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    def _take(self, origin: tuple[str, str, int]) -> Connection | None:
        connections = self._idle.get(origin, [])
        while connections:
            connection = connections.pop()
            if connection.is_fresh():
                return connection
            connection.close()
        return None

    def _put_back(self, connection: Connection) -> None:
        idle = self._idle.setdefault(connection.origin, [])
        if len(idle) < _IDLE_EACH and connection.reset():
            idle.append(connection)
        else:
            connection.close()


def _split(url: str) -> tuple[tuple[str, str, int], str, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError as error:
        raise InputError("URL", got=url, want="http(s)://host[:port]/path") from error
    host = parts.hostname or ""
    if not _is_name(host) or not port or any(c <= " " or c > "~" for c in url):
        raise InputError("URL", got=url, want="http(s)://host[:port]/path")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (parts.scheme, host, port), target, parts.netloc.rpartition("@")[2]


def _is_name(host: str) -> bool:
    """Hold a host to the size of a name's labels (RFC 1035 §2.3.4), as the resolver would.

    Not by encoding it as IDNA: a URL is ASCII, and the tables of IDNA take long to load in a guest.
    """
    return all(0 < len(label) <= _LONGEST_LABEL for label in host.removesuffix(".").split("."))


def _redirected(url: str, location: str, headers: Headers) -> tuple[str, Headers]:
    origin = _split(url)[0]
    try:
        target = urljoin(url, location)
        moved = _split(target)[0]
    except (ValueError, InputError) as error:
        raise PeerError(
            url, got=f"a redirect to {quote(location)}", want="http(s)://host[:port]/path"
        ) from error
    if origin[0] == "https" and moved[0] != "https":
        raise PeerError(url, got=f"a redirect to {target}", want="https to stay https")
    if origin != moved:
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


def _plain(host: str) -> Any:
    """Give the name in bytes, which ``ssl`` takes too: for text it loads all of IDNA first."""
    return host.encode("ascii")


def _untrusted(where: str, error: ssl.SSLCertVerificationError) -> Refusal:
    return Refusal(
        step="tls",
        claim=f"certificate of {where}",
        got=error.verify_message,
        expected="a certificate for this host that a trusted authority issued",
        rule="TLS server authentication",
        remedy="If the server is the right one, give the certificate of its authority.",
    )
