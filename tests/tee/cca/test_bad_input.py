"""Any bytes at all, and evidence that is nearly right: only our errors, in bounded time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import cbor
from casemate.errors import PeerError, VerificationError
from casemate.tee.cca.platform import Platform
from casemate.tee.cca.realm import Realm
from casemate.tee.cca.report import Token, evidence_of, token_of
from casemate.tee.evidence import Expectation
from casemate.tee.verifiers import verify
from tests.tee.cca.simulated import inputs_of, make, refused_at, with_token
from tests.thorough import places

MADE = make()
NEWER = make(form="2023", realm_algorithm="ES512")
assert MADE.binary is not None
TOKEN = MADE.binary


def refused(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        verify("cca", raw, Expectation(report_data=MADE.report_data), inputs_of(MADE))


@pytest.mark.parametrize("made", [MADE, NEWER], ids=["first", "2023"])
def test_every_flipped_bit_is_refused(made: object) -> None:
    """Of all bytes: headers, claims, keys, signatures, and the CBOR around them."""
    sim = NEWER if made is NEWER else MADE
    assert sim.binary is not None
    for at in places(len(sim.binary)):
        changed = bytearray(sim.binary)
        changed[at] ^= 1 << at % 8
        assert refused_at(with_token(sim, bytes(changed))) != 0, at


def test_every_cut_is_refused() -> None:
    for size in range(len(TOKEN)):
        refused(TOKEN[:size])


def test_every_length_that_is_wrong_is_refused() -> None:
    """Heads of strings, arrays and maps: one less, one more, none, all."""
    for at in places(len(TOKEN)):
        for value in {0, TOKEN[at] - 1 & 0xFF, TOKEN[at] + 1 & 0xFF, 0xFF} - {TOKEN[at]}:
            refused(TOKEN[:at] + bytes([value]) + TOKEN[at + 1 :])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"{",
        b'{"token": null}',
        b'{"token": "2QGPoh..."}',
        b'{"token": [256]}',
        b'{"token": [-1]}',
        b'{"token": [1.5]}',
        b'{"token": []}',
        b'{"token": {}}',
        b"[]",
        b'{"token":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"{" * 10_000,
        b"\x81" * 10_000,
        b"\xff\xfe",
        bytes(64 << 20),
        b" " * (64 << 20),
        b"{" + bytes(64 << 20),
        b'{"token": [' + b"0," * 1_000_000 + b"0]}",
    ],
    ids=range(19),
)
def test_other_shapes_are_refused(raw: bytes) -> None:
    refused(raw)


def test_claim_twice_is_refused() -> None:
    """Which of the two counts must not be a question."""
    token = cbor.decode(TOKEN, "x")
    assert isinstance(token, cbor.Tag)
    doubled = bytes.fromhex("d9018fa3") + TOKEN[4:] + cbor.encode(44234) + b"\x40"
    refused(doubled)


def test_json_and_cbor_are_told_apart_by_what_they_hold() -> None:
    assert token_of(evidence_of(TOKEN)) == TOKEN
    assert token_of(b"  \n" + evidence_of(TOKEN)) == TOKEN
    assert token_of(TOKEN) == TOKEN
    assert json.loads(evidence_of(TOKEN)) == {"token": list(TOKEN)}


@given(st.binary(max_size=400))
def test_any_bytes_into_each_parser_raise_only_our_error(data: bytes) -> None:
    for read in (token_of, Token.parse, Platform.parse, Realm.parse):
        try:
            read(data)
        except PeerError:
            continue
    refused(data)


CLAIM_KEYS: st.SearchStrategy[cbor.Key] = st.sampled_from(
    [10, 256, 265, 2395, 2396, 2399, 2400, 2401, 2402, 44235, 44239]
)
LEAVES = st.one_of(
    st.integers(-5, 70000), st.text(max_size=5), st.binary(max_size=65), st.none(), st.booleans()
)


@given(
    st.dictionaries(
        CLAIM_KEYS,
        st.one_of(
            LEAVES,
            st.lists(st.one_of(LEAVES, st.dictionaries(st.integers(0, 7), LEAVES))).map(tuple),
        ),
    )
)
def test_any_claims_raise_only_our_error(claims: dict[cbor.Key, cbor.Value]) -> None:
    for change in (Platform, Realm):
        try:
            change.parse(cbor.encode(claims))
        except PeerError:
            continue


def test_what_is_written_is_read_back() -> None:
    for made in (MADE, NEWER):
        assert made.binary is not None
        assert Token.parse(made.binary).encode() == made.binary
