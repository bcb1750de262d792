"""gRPC between the parts of a split Trustee: bytes in, bytes out, over the library grpcio.

A refusal crosses as status ABORTED with a text, as upstream's does, and with itself in the
trailing metadata for a peer that is ours.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
import msgspec

from casemate.errors import (
    MALFORMED_JSON,
    CasemateError,
    HostError,
    PeerError,
    Refusal,
    VerificationError,
)

Method = Callable[[bytes], bytes | Awaitable[bytes]]
Services = Mapping[str, Mapping[str, Method]]
"""Full service name, method name, function from request to response; it may be a coroutine's."""

_REFUSAL: Final = "casemate-refusal-bin"
_LARGEST: Final = 16 << 20
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _LARGEST),
    ("grpc.max_send_message_length", _LARGEST),
    ("grpc.so_reuseport", 0),
)
_GRACE: Final = 2.0  # seconds for calls under way when a server stops
_SERVING: Final = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse{status: SERVING}


class GrpcServer:
    """Serves on ``host:port``, plaintext; ``grpc.health.v1`` comes with it."""

    def __init__(self, services: Services, *, host: str, port: int) -> None:
        self._services = services
        self._address = f"{host}:{port}"
        self._server: Any = None

    async def start(self) -> None:
        """Begin to serve.

        Raises:
            HostError: the port is taken.
        """
        self._server = grpc.aio.server(options=_OPTIONS)
        health = {"grpc.health.v1.Health": {"Check": lambda _request: _SERVING}}
        for name, methods in {**self._services, **health}.items():
            handlers = {
                method: grpc.unary_unary_rpc_method_handler(_served(function))
                for method, function in methods.items()
            }
            generic = grpc.method_handlers_generic_handler(name, handlers)
            self._server.add_generic_rpc_handlers((generic,))
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise HostError(self._address, got="in use", want="a free port") from error
        await self._server.start()

    async def stop(self) -> None:
        """Finish the calls under way, at most two seconds, and end."""
        await self._server.stop(_GRACE)


class GrpcClient:
    """Calls a server at ``host:port``; ``timeout`` is in seconds for each call."""

    def __init__(self, address: str, *, timeout: float = 10.0) -> None:
        self._address = address.removeprefix("http://")
        self._timeout = timeout
        self._channel: Any = grpc.insecure_channel(self._address, options=_OPTIONS)

    def call(self, service: str, method: str, request: bytes) -> bytes:
        """Call and wait.

        Raises:
            VerificationError: the server refused, and said why in our form.
            PeerError: it failed in its own words, or cannot be reached.
        """
        try:
            answer = self._channel.unary_unary(f"/{service}/{method}")(
                request, timeout=self._timeout
            )
        except grpc.RpcError as error:
            raise self._failure(error, method) from error
        return bytes(answer)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _failure(self, error: Any, method: str) -> PeerError | VerificationError:
        for name, value in error.trailing_metadata() or ():
            if name == _REFUSAL:
                try:
                    return VerificationError(msgspec.json.decode(value, type=Refusal))
                except MALFORMED_JSON:
                    break
        return PeerError(f"{self._address} {method}", got=error.details(), want="an answer")


def _served(function: Method) -> Any:
    async def answer(request: bytes, context: Any) -> bytes:
        try:
            answered = function(request)
            return answered if isinstance(answered, bytes) else await answered
        except CasemateError as error:
            await context.abort(grpc.StatusCode.ABORTED, str(error), _metadata(error))
            raise

    return answer


def _metadata(error: CasemateError) -> tuple[tuple[str, bytes], ...]:
    if isinstance(error, VerificationError):
        return ((_REFUSAL, msgspec.json.encode(error.refusal)),)
    return ()
