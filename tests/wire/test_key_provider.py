import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.secret import Secret
from casemate.wire import key_provider

PACKET = b'{"kid":"kbs:///a/b/c"}'


def question(annotation: object, op: str = "keyunwrap") -> bytes:
    return json.dumps(
        {
            "op": op,
            "keywrapparams": {"ec": None, "optsdata": None},
            "keyunwrapparams": {
                "dc": {"Parameters": {"attestation-agent": [""]}},
                "annotation": annotation,
            },
        }
    ).encode()


def test_our_question_is_understood() -> None:
    assert key_provider.parse_unwrap(key_provider.encode_unwrap(PACKET)) == PACKET
    asked = json.loads(key_provider.encode_unwrap(PACKET))
    assert asked.keys() == {"op", "keywrapparams", "keyunwrapparams"}


@pytest.mark.parametrize("annotation", [list(PACKET), base64.b64encode(PACKET).decode()])
def test_go_and_rust_spellings_are_read(annotation: object) -> None:
    assert key_provider.parse_unwrap(question(annotation)) == PACKET


def test_answer_is_in_numbers() -> None:
    assert json.loads(key_provider.encode_unwrapped(Secret(b"\1\xff"))) == {
        "keyunwrapresults": {"optsdata": [1, 255]}
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        question("!"),
        question([256]),
        question([-1]),
        question(None),
        question("", "keywrap"),
        b"[" * 5000,
        bytes(2 << 20),
    ],
)
def test_other_questions_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        key_provider.parse_unwrap(data)


@settings(max_examples=100)
@given(st.binary(max_size=100))
def test_any_packet_survives_and_any_question_raises_only_our_error(data: bytes) -> None:
    assert key_provider.parse_unwrap(key_provider.encode_unwrap(data)) == data
    with pytest.raises(InputError):
        key_provider.parse_unwrap(data)
