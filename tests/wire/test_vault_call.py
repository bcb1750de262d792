"""The form in which agent and vault speak: whole in any pieces, and hostile bytes are an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import (
    CasemateError,
    HostError,
    InputError,
    PeerError,
    Refusal,
    VerificationError,
)
from casemate.wire import vault_call
from casemate.wire.ttrpc_status import Code, TtrpcError
from casemate.wire.vault_call import Answer, Call, DropImage, PullImage, ServeContainers

REFUSAL = Refusal(step="pull", claim="c", got="g", expected="e", rule="r", remedy="m")

calls = st.builds(
    Call,
    st.integers(0, 1 << 53),
    st.one_of(
        st.builds(PullImage, st.text(max_size=50), st.text(max_size=50)),
        st.builds(DropImage, st.text(max_size=50)),
        st.just(ServeContainers()),
    ),
)


@given(st.lists(calls, max_size=5), st.integers(1, 40))
def test_calls_come_whole_in_pieces_of_any_size(sent: list[Call], size: int) -> None:
    stream = b"".join(map(vault_call.encode, sent))
    frames = vault_call.Frames()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    texts = [text for piece in pieces for text in frames.receive(piece)]
    assert [vault_call.parse_call(text) for text in texts] == sent


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_frames_or_the_peers_error(pieces: list[bytes]) -> None:
    frames = vault_call.Frames()
    for piece in pieces:
        try:
            for text in frames.receive(piece):
                for parse in (vault_call.parse_call, vault_call.parse_answer):
                    try:
                        parse(text)
                    except PeerError:
                        continue
        except PeerError:
            return


@given(st.binary(max_size=200))
def test_any_text_is_a_call_or_the_peers_error(text: bytes) -> None:
    for parse in (vault_call.parse_call, vault_call.parse_answer):
        try:
            parse(text)
        except PeerError:
            continue


def test_frame_that_says_it_is_larger_is_refused_before_it_is_there() -> None:
    with pytest.raises(PeerError, match="a frame of 1048577 bytes"):
        vault_call.Frames().receive((vault_call.LARGEST + 1).to_bytes(4, "big"))


def test_deep_nesting_is_the_peers_error() -> None:
    with pytest.raises(PeerError):
        vault_call.parse_call(b"[" * 100_000)


def test_what_is_larger_than_a_frame_is_not_sent() -> None:
    with pytest.raises(InputError, match="at most 1048576"):
        vault_call.encode(Call(1, PullImage("x" * vault_call.LARGEST, "/b")))


@pytest.mark.parametrize("kind", [InputError, PeerError, HostError])
def test_error_comes_out_as_it_went_in(kind: type[CasemateError]) -> None:
    error = kind("place", got="this", want="that", spec="§1", remedy="Do so.")
    text = vault_call.encode(Answer(3, vault_call.failure(error)))[4:]
    answer = vault_call.parse_answer(text)
    assert answer.failure is not None
    again = answer.failure.error()
    assert (type(again), str(again), answer.number) == (kind, str(error), 3)


def test_error_of_a_subclass_is_one_of_the_four() -> None:
    again = vault_call.failure(TtrpcError(Code.UNKNOWN, "odd")).error()
    assert type(again) is PeerError
    assert "odd" in str(again)


def test_refusal_comes_out_as_it_went_in() -> None:
    again = vault_call.failure(VerificationError(REFUSAL)).error()
    assert isinstance(again, VerificationError)
    assert again.refusal == REFUSAL


@given(st.text(max_size=20), st.sampled_from([1, 4095, 20_000]))
def test_any_text_of_an_error_fits_into_a_frame(text: str, times: int) -> None:
    strange = text * times + "\udcff"
    refusal = Refusal(step=strange, claim=strange, got="", expected=strange, rule="", remedy="")
    for error in (InputError(strange, got="", want=strange), VerificationError(refusal)):
        frame = vault_call.encode(Answer(1, vault_call.failure(error)))
        assert vault_call.parse_answer(frame[4:]).failure is not None


def test_failure_of_an_unknown_kind_is_still_an_error() -> None:
    answer = vault_call.parse_answer(b'{"number":1,"failure":{"kind":"new","got":"x"}}')
    assert answer.failure is not None
    assert type(answer.failure.error()) is HostError
