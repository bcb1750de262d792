"""ttrpc over sockets: a server of many concurrent calls, and a client (runtime.md §0)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Self

from casemate.errors import CasemateError, PeerError
from casemate.net import unix
from casemate.wire.ttrpc import (
    Call,
    ClientConnection,
    ServerConnection,
    encode_answer,
    encode_failure,
)
from casemate.wire.ttrpc_status import Code, TtrpcError

Method = Callable[[bytes], Awaitable[bytes]]
Services = Mapping[str, Mapping[str, Method]]

_CHUNK: Final = 1 << 16
_MOST_CALLS: Final = 1024
"""Calls of one connection that may be open at once; the next ones are turned away."""

_log = logging.getLogger(__name__)


class Server:
    """Serves methods by service and name; every request runs as its own task.

    A method takes and returns the bytes of its protobuf messages. What it raises becomes the status
    of the answer (``wire.ttrpc_status.status_of``).
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._listeners: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def serve_unix(self, path: Path, *, mode: int = 0o600) -> None:
        """Begin to listen at ``path``; returns once clients can connect."""
        listener = await asyncio.start_unix_server(
            self.serve_streams, sock=unix.listen(path, mode=mode)
        )
        self._listeners.append(listener)

    async def serve_channel(self, channel: unix.Channel) -> None:
        """Serve the process at the other end of a pair until it leaves."""
        channel.setblocking(False)
        await self.serve_streams(*await asyncio.open_unix_connection(sock=channel))

    async def serve_streams(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection until its peer leaves."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("serve_streams runs as a task")
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except OSError as error:
            _log.debug("ttrpc peer left: %s", error)
        except asyncio.CancelledError:
            if task.cancelling() == 0:
                raise
            _log.debug("ttrpc server closes")
        finally:
            self._connections.discard(task)
            writer.close()

    async def close(self) -> None:
        """Stop listening and end all connections."""
        for listener in self._listeners:
            listener.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ServerConnection()
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as calls:
            try:
                while data := await reader.read(_CHUNK):
                    for event in connection.receive(data):
                        if isinstance(event, bytes):
                            writer.write(event)
                        elif len(running) >= _MOST_CALLS:
                            busy = TtrpcError(Code.RESOURCE_EXHAUSTED, f"{_MOST_CALLS} calls open")
                            writer.write(encode_failure(event.stream, busy))
                        else:
                            task = calls.create_task(self._run(event, writer))
                            running.add(task)
                            task.add_done_callback(running.discard)
                    await writer.drain()
            finally:
                for task in running:
                    task.cancel()

    async def _run(self, call: Call, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(call.timeout or None):
                answer = encode_answer(call.stream, await self._method(call)(call.payload))
        except (CasemateError, TimeoutError) as error:
            answer = encode_failure(call.stream, error)
        except Exception as error:  # noqa: BLE001  # one broken method must not end the others' calls
            _log.exception("%s/%s failed", call.service, call.method)
            answer = encode_failure(call.stream, error)
        if not writer.is_closing():
            writer.write(answer)
            await _drain(writer)

    def _method(self, call: Call) -> Method:
        service = self._services.get(call.service)
        if service is None:
            raise TtrpcError(Code.UNIMPLEMENTED, f"service {call.service}")
        method = service.get(call.method)
        if method is None:
            raise TtrpcError(Code.UNIMPLEMENTED, f"method {call.method}")
        return method


class Client:
    """Calls methods over one connection; open calls fail when it is lost, nothing reconnects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connection = ClientConnection()
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._lost: PeerError | None = None
        self._task = asyncio.get_running_loop().create_task(self._receive(), name="ttrpc client")

    @classmethod
    async def connect_unix(cls, path: Path) -> Self:
        """Connect to the server at ``path``.

        Raises:
            PeerError: nobody listens there.
        """
        reader, writer = await asyncio.open_unix_connection(sock=unix.connect(path))
        return cls(reader, writer)

    @classmethod
    async def on_channel(cls, channel: unix.Channel) -> Self:
        """Speak to the process at the other end of a pair."""
        channel.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=channel))

    async def call(self, service: str, method: str, payload: bytes, *, timeout: float = 0) -> bytes:  # noqa: ASYNC109  # the deadline travels to the server too
        """Call and await the answer; ``timeout`` in seconds, 0 for none.

        Raises:
            VerificationError: the server refused and said why.
            TtrpcError: any other status than OK; DEADLINE_EXCEEDED when the time is over.
            PeerError: the connection is lost, or the server breaks the protocol.
            InputError: the request is larger than 4 MiB.
        """
        if self._lost is not None:
            raise self._lost
        stream, frame = self._connection.call(service, method, payload, timeout)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[stream] = future
        try:
            async with asyncio.timeout(timeout or None):
                self._writer.write(frame)
                await _drain(self._writer)
                return await future
        except TimeoutError as error:
            raise TtrpcError(
                Code.DEADLINE_EXCEEDED, f"{service}/{method}: no answer in {timeout:g} s"
            ) from error
        finally:
            self._waiting.pop(stream, None)

    async def close(self) -> None:
        """End the connection; open calls fail."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._fail(PeerError("ttrpc connection", got="closed by us", want="an open connection"))
        self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _receive(self) -> None:
        lost = PeerError("ttrpc connection", got="closed by the peer", want="an answer")
        try:
            while data := await self._reader.read(_CHUNK):
                for reply in self._connection.receive(data):
                    self._settle(self._waiting.get(reply.stream), reply.payload, reply.error)
        except PeerError as error:
            lost = error
        except OSError as error:
            lost = PeerError("ttrpc connection", got=error, want="an answer")
        finally:
            self._fail(lost)

    @staticmethod
    def _settle(
        future: asyncio.Future[bytes] | None, payload: bytes, error: CasemateError | None
    ) -> None:
        if future is None or future.done():
            return  # the answer to a call whose caller has given up
        if error is None:
            future.set_result(payload)
        else:
            future.set_exception(error)

    def _fail(self, lost: PeerError) -> None:
        if self._lost is None:
            self._lost = lost
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._lost)


async def _drain(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.drain()
    except OSError as error:
        _log.debug("ttrpc peer left: %s", error)  # the reading side reports the loss
