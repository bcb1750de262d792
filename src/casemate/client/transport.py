"""A transport for httpx that verifies the service before the first byte of a request leaves.

    with httpx.Client(transport=AttestedTransport(trust)) as client:
        client.post("https://service/records", json=record)

Each new connection is verified on its own: TLS handshake, attestation, and only then the request.
A service that is not what it must be raises VerificationError, and has seen nothing but a nonce.
"""

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import httpcore
import httpx

from casemate.client import verification
from casemate.client.trust import ServiceTrust, Verified, VerifiedService
from casemate.errors import InputError, PeerError
from casemate.net import attested, tls

_NONCE_SIZE: Final = 32
_READ: Final = 64 << 10

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class AttestedTransport(httpx.HTTPTransport):
    """For ``httpx.Client``. Plain ``http://`` is refused, and so is a proxy in between."""

    def __init__(
        self, trust: ServiceTrust, *, verified: Verified | None = None, clock: Clock = _now
    ) -> None:
        """Demand ``trust`` of every service; ``verified`` is told what was found."""
        trust.require_any()
        super().__init__(verify=attested.context(), trust_env=False)
        backend = _Backend(trust, verified or _ignore, clock)
        # httpx makes its pool without a way to give it connections of ours; this is that seam.
        self._pool = httpcore.ConnectionPool(
            ssl_context=attested.context(), network_backend=backend, http1=True, http2=False
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a verified connection.

        Raises:
            InputError: the address is not ``https://``.
            VerificationError: the service must not be sent anything.
        """
        if request.url.scheme != "https":
            raise InputError(str(request.url), got=request.url.scheme, want="https://")
        return super().handle_request(request)


def _ignore(_service: VerifiedService) -> None:
    """Tell nobody."""


class _Backend(httpcore.NetworkBackend):
    """Connections of the pool: TLS streams that were verified."""

    def __init__(self, trust: ServiceTrust, verified: Verified, clock: Clock) -> None:
        self._trust = trust
        self._verified = verified
        self._clock = clock
        self._own = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._own.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Unverified(stream, f"{host}:{port}", self._verify)

    def _verify(self, stream: httpcore.NetworkStream, where: str, timeout: float | None) -> None:
        shown = stream.get_extra_info("ssl_object").getpeercert(True)
        nonce = secrets.token_urlsafe(_NONCE_SIZE)
        service = verification.judge(
            shown,
            self._trust,
            nonce,
            lambda: _ask(stream, where, nonce, timeout),
            now=self._clock(),
        )
        self._verified(service)


class _Unverified(httpcore.NetworkStream):
    """A TCP connection that can only become a verified TLS one."""

    def __init__(
        self,
        stream: httpcore.NetworkStream,
        where: str,
        verify: Callable[[httpcore.NetworkStream, str, float | None], None],
    ) -> None:
        self._stream = stream
        self._where = where
        self._verify = verify

    def start_tls(
        self,
        ssl_context: tls.Context,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        try:
            self._verify(stream, self._where, timeout)
        except BaseException:
            stream.close()
            raise
        return stream

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _ask(
    stream: httpcore.NetworkStream, where: str, nonce: str, timeout: float | None
) -> bytes | None:
    exchange = attested.Exchange(where, nonce, where=where)
    stream.write(exchange.request(), timeout)
    while not exchange.done:
        exchange.feed(stream.read(_READ, timeout))
    if not exchange.reusable:
        raise PeerError(where, got="a connection that ends", want="one that stays for the request")
    return exchange.document
