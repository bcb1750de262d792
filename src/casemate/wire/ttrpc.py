"""ttrpc without IO: frames, envelopes, and both ends of a connection (runtime.md §0).

A frame is a 10-byte header (body length u32, stream id u32, type u8, flags u8, big endian) and a
body of at most 4 MiB. Calls are unary: one request frame, one response frame of the same stream.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec
from google.protobuf.message import DecodeError

from casemate.errors import CasemateError, InputError, PeerError
from casemate.wire.pb import ttrpc_pb2
from casemate.wire.ttrpc_status import Code, TtrpcError, error_of, status_of

LARGEST_BODY: Final = 4 * 1024 * 1024
"""Bytes; a larger frame is read, dropped and answered by an error."""

REQUEST: Final = 1
RESPONSE: Final = 2
DATA: Final = 3

_HEADER: Final = struct.Struct(">IIBB")
_NANO: Final = 1_000_000_000
_LONGEST_TIMEOUT: Final = (1 << 63) - 1
_SPEC: Final = "runtime.md §0"


class Frame(msgspec.Struct, frozen=True):
    """One frame. ``body`` is None when it was over the limit and therefore dropped."""

    stream: int
    type: int
    flags: int
    body: bytes | None


class Call(msgspec.Struct, frozen=True):
    """A request: ``timeout`` in seconds, 0 for none."""

    stream: int
    service: str
    method: str
    payload: bytes
    timeout: float = 0.0


class Reply(msgspec.Struct, frozen=True):
    """An answer: a payload, or the error that came instead."""

    stream: int
    payload: bytes
    error: CasemateError | None = None


class FrameReader:
    """Cuts a byte stream into frames; holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._drop = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes, give the frames that are whole by now."""
        self._buffer += data
        while self._skip() and len(self._buffer) >= _HEADER.size:
            length, stream, kind, flags = _HEADER.unpack_from(self._buffer)
            if length > LARGEST_BODY:
                del self._buffer[: _HEADER.size]
                self._drop = length
                yield Frame(stream, kind, flags, None)
                continue
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[_HEADER.size : end])
            del self._buffer[:end]
            yield Frame(stream, kind, flags, body)

    def _skip(self) -> bool:
        """Drop the rest of an oversized body; False while more of it must come."""
        dropped = min(self._drop, len(self._buffer))
        del self._buffer[:dropped]
        self._drop -= dropped
        return self._drop == 0


class ServerConnection:
    """The answering end. Bytes in, calls out; ``answer`` and ``refuse`` give bytes to send."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._last = 0

    def receive(self, data: bytes) -> Iterator[Call | bytes]:
        """Give calls to run, and bytes to send at once where a frame is itself wrong."""
        for frame in self._reader.feed(data):
            try:
                yield self._call(frame)
            except TtrpcError as error:
                yield encode_failure(frame.stream, error)

    def _call(self, frame: Frame) -> Call:
        if frame.stream % 2 == 0:
            raise TtrpcError(
                Code.INVALID_ARGUMENT, "StreamID must be odd for client initiated streams"
            )
        if frame.type != REQUEST:
            raise TtrpcError(Code.INVALID_ARGUMENT, f"frame type {frame.type} is not a request")
        if frame.stream <= self._last:
            raise TtrpcError(Code.INVALID_ARGUMENT, "StreamID cannot be re-used")
        self._last = frame.stream
        if frame.body is None:
            raise TtrpcError(Code.INVALID_ARGUMENT, f"message is larger than {LARGEST_BODY} bytes")
        return _parse_call(frame.stream, frame.body)


class ClientConnection:
    """The calling end: numbers the calls, and matches answers to them."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._next = 1

    def call(self, service: str, method: str, payload: bytes, timeout: float) -> tuple[int, bytes]:
        """Give the stream id of a new call and the bytes to send.

        Raises:
            InputError: the request does not fit into a frame, or the stream ids are used up.
        """
        request = ttrpc_pb2.Request(service=service, method=method, payload=payload)
        if timeout > 0:
            request.timeout_nano = min(int(timeout * _NANO), _LONGEST_TIMEOUT)
        body = request.SerializeToString()
        if len(body) > LARGEST_BODY:
            raise InputError(
                f"{service}/{method}",
                got=f"{len(body)} bytes",
                want=f"at most {LARGEST_BODY} bytes",
                spec=_SPEC,
            )
        if self._next >= 1 << 32:
            raise InputError("ttrpc connection", got="all stream ids used", want="a new connection")
        stream, self._next = self._next, self._next + 2
        return stream, _encode(stream, REQUEST, body)

    def receive(self, data: bytes) -> Iterator[Reply]:
        """Give the answers that are whole by now.

        Raises:
            PeerError: the peer sends what no server sends; the connection is of no more use.
        """
        for frame in self._reader.feed(data):
            if frame.type != RESPONSE:
                raise PeerError(
                    "ttrpc", got=f"frame type {frame.type}", want="a response", spec=_SPEC
                )
            yield _parse_reply(frame.stream, frame.body)


def encode_answer(stream: int, payload: bytes) -> bytes:
    """The frame of a successful answer; one that does not fit becomes RESOURCE_EXHAUSTED."""
    body = ttrpc_pb2.Response(payload=payload).SerializeToString()
    if len(body) > LARGEST_BODY:
        error = TtrpcError(Code.RESOURCE_EXHAUSTED, f"answer of {len(body)} bytes")
        return encode_failure(stream, error)
    return _encode(stream, RESPONSE, body)


def encode_failure(stream: int, error: BaseException) -> bytes:
    """The frame that answers a call with the status of ``error``."""
    body = ttrpc_pb2.Response(status=status_of(error)).SerializeToString()
    return _encode(stream, RESPONSE, body)


def _encode(stream: int, kind: int, body: bytes) -> bytes:
    return _HEADER.pack(len(body), stream, kind, 0) + body


def _parse_call(stream: int, body: bytes) -> Call:
    request = ttrpc_pb2.Request()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise TtrpcError(Code.INVALID_ARGUMENT, "request is no protobuf message") from error
    timeout = max(request.timeout_nano, 0) / _NANO
    return Call(stream, request.service, request.method, request.payload, timeout)


def _parse_reply(stream: int, body: bytes | None) -> Reply:
    if body is None:
        oversized = PeerError("ttrpc answer", got="over 4 MiB", want="at most 4 MiB", spec=_SPEC)
        return Reply(stream, b"", oversized)
    response = ttrpc_pb2.Response()
    try:
        response.ParseFromString(body)
    except DecodeError:
        broken = PeerError("ttrpc answer", got="no protobuf message", want="a Response", spec=_SPEC)
        return Reply(stream, b"", broken)
    failed = response.HasField("status") and response.status.code != Code.OK
    return Reply(stream, response.payload, error_of(response.status) if failed else None)
