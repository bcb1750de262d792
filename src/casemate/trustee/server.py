"""HTTPS for the broker: granian's server in this process, one event loop, bounded bodies."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from casemate.files import read
from casemate.net import ports
from casemate.net.tls import server_context
from casemate.secret import Secret
from casemate.trustee.kbs.broker import Broker
from casemate.trustee.kbs.exchange import Answer, Ask
from casemate.trustee.serve import Trustee

_LARGEST_HEAD: Final = 128 << 10
_SLOWEST_HEAD: Final = 10_000  # milliseconds
_LOG: Final = logging.getLogger("casemate.trustee")


class _Application:
    """Granian's side of an exchange: bytes in, bytes out."""

    def __init__(self, broker: Broker, largest_body: int) -> None:
        self._broker = broker
        self._largest = largest_body

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        headers = dict(scope.headers.items())
        body = await self._body(headers, protocol)
        if body is None:
            answer = Answer(413, b"request body too large", (("content-type", "text/plain"),))
        else:
            answer = await self._safely(_ask(scope, headers, body))
        protocol.response_bytes(answer.status, list(answer.headers), answer.body)

    async def _safely(self, ask: Ask) -> Answer:
        """Answer; a mistake of ours is told in the log, where the caller cannot see it."""
        try:
            return self._broker.answer(await self._broker.prepared(ask))
        except Exception:  # noqa: BLE001 - the last door: logged whole, answered 500
            _LOG.exception("%s %s", ask.method, ask.path)
            return Answer(500)

    async def _body(self, headers: dict[str, str], protocol: Any) -> bytes | None:
        """Read the body; None when it is too large.

        Of one that is too large, as much again is read and dropped: most clients look for an answer
        when they have sent all, and lose it where we hang up before.
        """
        length = headers.get("content-length", "")
        if not length.isdigit() and "transfer-encoding" not in headers:
            return b""
        if length.isdigit() and int(length) <= self._largest:
            return bytes(await protocol())
        if length.isdigit() and int(length) > 2 * self._largest:
            return None
        body, size = bytearray(), 0
        async for chunk in protocol:
            size += len(chunk)
            if size > 2 * self._largest:
                return None
            if size <= self._largest:
                body += chunk
        return bytes(body) if size <= self._largest else None


def _ask(scope: Any, headers: dict[str, str], body: bytes) -> Ask:
    query = scope.query_string
    return Ask(
        method=scope.method,
        target=f"{scope.path}?{query}" if query else scope.path,
        headers=headers,
        body=body,
        peer=scope.client,
    )


async def serve(trustee: Trustee, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is told the URL.

    Raises:
        HostError: the port is taken.
    """
    try:
        if trustee.broker is None:
            await _serve_services(trustee, ready)
        else:
            await _serve_broker(trustee, trustee.broker, ready)
    finally:
        await trustee.gatherer.close()


async def _serve_services(trustee: Trustee, ready: Callable[[str], None]) -> None:
    from casemate.net.grpc import GrpcServer

    host = str(trustee.values["grpc.host"])
    port = ports.claim(trustee.grpc_port, purpose="Trustee", host=host)
    server = GrpcServer(trustee.services, host=host, port=port)
    stopped = asyncio.Event()
    _on_signals(stopped.set)
    await server.start()
    ready(f"grpc://{host}:{port}")
    await stopped.wait()
    await server.stop()


async def _serve_broker(trustee: Trustee, broker: Broker, ready: Callable[[str], None]) -> None:
    host = str(trustee.values["http.host"])
    port = ports.claim(int(trustee.values["http.port"]), purpose="Trustee", host=host)
    certificate, key = _file(trustee, "http.certificate"), _file(trustee, "http.key")
    server_context(read(certificate), Secret(read(key)))  # says better than granian what is wrong
    server = Server(
        _Application(broker, trustee.largest_body),
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            max_buffer_size=_LARGEST_HEAD, header_read_timeout=_SLOWEST_HEAD
        ),
        websockets=False,
        log_enabled=False,
        ssl_cert=certificate,
        ssl_key=key,
    )
    _on_signals(server.stop)
    asyncio.get_running_loop().call_later(0.1, ready, f"https://{host}:{port}")
    await server.serve()


def _on_signals(stop: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _file(trustee: Trustee, setting: str) -> Path:
    return trustee.folder / str(trustee.values[setting])
