"""Tokens: signed and read back; everything else is refused by type."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import base64url, jwt
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import CasemateError, InputError, VerificationError

KEYS = {kind: PrivateKey.generate(kind, bits=2048) for kind in Kind}
KEY = KEYS[Kind.P256]


@pytest.mark.parametrize("kind", Kind)
def test_a_token_says_what_was_signed(kind: Kind) -> None:
    token = jwt.sign({"exp": 100, "x": [1]}, KEYS[kind])
    verified = jwt.verify(jwt.parse(token), KEYS[kind].public, now=100)
    assert verified.claims == {"exp": 100, "x": [1]}


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.P256])
def test_a_key_of_another_kind_never_verifies(kind: Kind) -> None:
    with pytest.raises(VerificationError):
        jwt.verify(jwt.parse(jwt.sign({"exp": 100}, KEY)), KEYS[kind].public, now=0)


@pytest.mark.parametrize(("now", "good"), [(0, True), (160, True), (161, False)])
def test_expiry_has_a_minute_of_leeway(*, now: int, good: bool) -> None:
    parsed = jwt.parse(jwt.sign({"exp": 100}, KEY))
    if good:
        jwt.verify(parsed, KEY.public, now=now)
    else:
        with pytest.raises(VerificationError, match="exp"):
            jwt.verify(parsed, KEY.public, now=now)


@pytest.mark.parametrize("claims", [{}, {"exp": "100"}, {"exp": True}, {"exp": None}, [], "x"])
def test_a_token_without_a_time_is_refused(claims: object) -> None:
    with pytest.raises(VerificationError):
        jwt.verify(jwt.parse(jwt.sign(claims, KEY)), KEY.public, now=0)


@pytest.mark.parametrize("member", [{"alg": "none"}, {"alg": "ES384"}, {"crit": ["b64"]}])
def test_headers_that_ask_for_something_else_are_refused(member: dict[str, object]) -> None:
    header = jwt.encode_header({"alg": "ES256"} | member)
    with pytest.raises(VerificationError, match="alg"):
        jwt.verify(jwt.parse(jwt.sign({"exp": 9}, KEY, header=header)), KEY.public, now=0)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_changed_part_is_refused(position: int) -> None:
    parts = jwt.sign({"exp": 100}, KEY).split(".")
    data = bytearray(base64url.decode(parts[position]))
    data[-2] ^= 1
    parts[position] = base64url.encode(bytes(data))
    with pytest.raises(CasemateError):
        jwt.verify(jwt.parse(".".join(parts)), KEY.public, now=0)


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=60)
    | st.tuples(*[st.binary(max_size=30)] * 3).map(
        lambda parts: ".".join(map(base64url.encode, parts))
    )
)
def test_any_text_raises_only_our_error(text: str) -> None:
    with pytest.raises(InputError):
        jwt.parse(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_payload_raises_only_our_error(payload: bytes) -> None:
    head = jwt.encode_header({"alg": "ES256"})
    signed = f"{head}.{base64url.encode(payload)}"
    token = f"{signed}.{base64url.encode(KEY.sign(signed.encode()))}"
    with pytest.raises(VerificationError):
        jwt.verify(jwt.parse(token), KEY.public, now=0)
