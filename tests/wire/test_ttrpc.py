import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import CasemateError, InputError, PeerError, Refusal, VerificationError
from casemate.wire.ttrpc import (
    LARGEST_BODY,
    Call,
    ClientConnection,
    Frame,
    FrameReader,
    Reply,
    ServerConnection,
    encode_answer,
    encode_failure,
)
from casemate.wire.ttrpc_status import REFUSAL_TYPE, Code, TtrpcError, error_of, status_of
from tests.vectors import vector

REFUSAL = Refusal(
    step="start", claim="exec", got="ExecProcess", expected="a rule", rule="policy", remedy="none"
)


def recorded() -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = json.loads(vector("guest", "ttrpc-frames.json").read_text())
    return frames


def test_requests_recorded_from_a_go_peer_are_read() -> None:
    for frame in recorded():
        (event,) = ServerConnection().receive(bytes.fromhex(frame["request_frame_hex"]))
        if frame["name"] == "even-stream-id":
            assert event == bytes.fromhex(frame["response_frame_hex"])
            continue
        assert isinstance(event, Call)
        assert (event.service, event.method) == (frame["service"], frame["method"])
        assert event.payload.hex() == frame["request_payload_hex"]


def test_requests_are_written_as_a_go_peer_writes_them() -> None:
    for frame in recorded():
        if frame["name"] in {"even-stream-id", "timeout-5s"}:
            continue
        payload = bytes.fromhex(frame["request_payload_hex"])
        _, sent = ClientConnection().call(frame["service"], frame["method"], payload, 0)
        assert sent.hex() == frame["request_frame_hex"]


def test_answers_recorded_from_a_go_peer_are_read() -> None:
    for frame in recorded():
        (reply,) = ClientConnection().receive(bytes.fromhex(frame["response_frame_hex"]))
        assert reply.payload.hex() == frame["response_payload_hex"]
        code = json.loads(json.dumps(frame["status_code"]))
        if frame["name"] == "even-stream-id":
            code = Code.INVALID_ARGUMENT
        if code:
            assert isinstance(reply.error, TtrpcError)
            assert reply.error.code == code
        else:
            assert reply.error is None


def test_timeout_travels_as_nanoseconds() -> None:
    _, sent = ClientConnection().call("s", "m", b"", 1.5)
    (call,) = ServerConnection().receive(sent)
    assert isinstance(call, Call)
    assert call.timeout == 1.5


def test_answer_to_a_void_call_is_success() -> None:
    (reply,) = ClientConnection().receive(bytes.fromhex("00000000000000010200"))
    assert reply == Reply(1, b"")


def test_present_and_empty_status_is_success() -> None:
    (reply,) = ClientConnection().receive(bytes.fromhex("000000020000000102000a00"))
    assert reply.error is None


def test_oversized_request_is_dropped_and_answered() -> None:
    server = ServerConnection()
    length = LARGEST_BODY + 1
    assert list(server.receive(length.to_bytes(4) + bytes.fromhex("000000010100")))
    events: list[Call | bytes] = []
    for _ in range(5):
        events += server.receive(bytes(length // 5))
    client = ClientConnection()
    client.call("s", "m", b"", 0)
    _, second = client.call("s", "m", b"x", 0)
    events += server.receive(bytes(length - length // 5 * 5) + second)
    (call,) = events
    assert isinstance(call, Call)
    assert call.payload == b"x"


def test_oversized_answer_becomes_an_error() -> None:
    (reply,) = ClientConnection().receive(encode_answer(1, bytes(LARGEST_BODY)))
    assert isinstance(reply.error, TtrpcError)
    assert reply.error.code is Code.RESOURCE_EXHAUSTED


def test_oversized_call_is_the_callers_mistake() -> None:
    with pytest.raises(InputError):
        ClientConnection().call("s", "m", bytes(LARGEST_BODY), 0)


def test_stream_ids_are_odd_and_rise() -> None:
    client = ClientConnection()
    assert [client.call("s", "m", b"", 0)[0] for _ in range(3)] == [1, 3, 5]


def test_reused_stream_id_is_refused() -> None:
    server = ServerConnection()
    _, frame = ClientConnection().call("s", "m", b"", 0)
    _first, second = server.receive(frame + frame)
    assert isinstance(second, bytes)
    (reply,) = ClientConnection().receive(second)
    assert isinstance(reply.error, TtrpcError)
    assert reply.error.code is Code.INVALID_ARGUMENT


def test_refusal_survives_the_trip() -> None:
    (reply,) = ClientConnection().receive(encode_failure(1, VerificationError(REFUSAL)))
    assert isinstance(reply.error, VerificationError)
    assert reply.error.refusal == REFUSAL


def test_permission_denied_without_refusal_stays_a_status() -> None:
    denied = TtrpcError(Code.PERMISSION_DENIED, "no", (("other", b"{}"),))
    error = error_of(status_of(denied))
    assert isinstance(error, TtrpcError)
    assert error.code is Code.PERMISSION_DENIED


@pytest.mark.parametrize("value", [b"", b"[1]", b'{"step":"\xff"}', b'{"x":' + b"[" * 5000])
def test_refusal_that_cannot_be_read_stays_a_status(value: bytes) -> None:
    denied = TtrpcError(Code.PERMISSION_DENIED, "no", ((REFUSAL_TYPE, value),))
    assert isinstance(error_of(status_of(denied)), TtrpcError)


def test_text_of_a_foreign_exception_is_not_sent() -> None:
    assert "hunter2" not in str(status_of(ValueError("hunter2")))


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=64), max_size=8))
def test_any_bytes_into_a_server_give_calls_or_answers(chunks: list[bytes]) -> None:
    server = ServerConnection()
    for chunk in chunks:
        for event in server.receive(chunk):
            assert isinstance(event, Call | bytes)


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=64), max_size=8))
def test_any_bytes_into_a_client_raise_only_our_error(chunks: list[bytes]) -> None:
    client = ClientConnection()
    try:
        for chunk in chunks:
            for reply in client.receive(chunk):
                assert reply.error is None or isinstance(reply.error, CasemateError)
    except PeerError:
        pass


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_body_is_parsed_or_answered(body: bytes) -> None:
    header = len(body).to_bytes(4) + (1).to_bytes(4)
    assert len(list(ServerConnection().receive(header + b"\1\0" + body))) == 1
    assert len(list(ClientConnection().receive(header + b"\2\0" + body))) == 1


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 7))
def test_frames_do_not_depend_on_how_bytes_arrive(payloads: list[bytes], size: int) -> None:
    client = ClientConnection()
    sent = b"".join(client.call("s", "m", payload, 0)[1] for payload in payloads)
    reader = FrameReader()
    frames: list[Frame] = []
    for i in range(0, len(sent), size):
        frames += reader.feed(sent[i : i + size])
    assert frames == list(FrameReader().feed(sent))
    assert len(frames) == len(payloads)
