import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casemate.crypto import cbor
from casemate.errors import InputError, PeerError

KEYS = st.one_of(st.integers(-(1 << 64), (1 << 64) - 1), st.text(max_size=8), st.binary(max_size=8))
VALUES: st.SearchStrategy[cbor.Value] = st.recursive(
    st.one_of(KEYS, st.booleans(), st.none(), st.floats(allow_nan=False), st.binary(max_size=300)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.builds(cbor.Tag, st.integers(0, (1 << 64) - 1), inner),
    ),
    max_leaves=12,
)

# RFC 8949 appendix A
EXAMPLES = [
    ("00", 0),
    ("17", 23),
    ("1818", 24),
    ("190001", 1),
    ("1a000f4240", 1000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("20", -1),
    ("3863", -100),
    ("3bffffffffffffffff", -18446744073709551616),
    ("f93e00", 1.5),
    ("fa47c35000", 100000.0),
    ("fb3ff199999999999a", 1.1),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("c11a514b67b0", cbor.Tag(1, 1363896240)),
    ("d818456449455446", cbor.Tag(24, b"dIETF")),
    ("40", b""),
    ("4401020304", b"\1\2\3\4"),
    ("62c3bc", "\u00fc"),
    ("80", ()),
    ("8301820203820405", (1, (2, 3), (4, 5))),
    ("a0", {}),
    ("a26161016162820203", {"a": 1, "b": (2, 3)}),
]
REFUSED = [
    "",
    "18",  # argument cut
    "4401",  # string cut
    "1c",  # reserved
    "ff",  # break alone
    "5f42010243030405ff",  # indefinite bytes
    "7f657374726561646d696e67ff",  # indefinite text
    "9f0102ff",  # indefinite array
    "bf6161019fff",  # indefinite map
    "f7",  # undefined
    "f0",  # unassigned simple
    "f818",  # simple of two bytes
    "61ff",  # not UTF-8
    "0000",  # something behind
    "82",  # elements missing
    "a1",
    "a100",
    "a201010102",  # a key twice
    "a2010118010a",  # the same key, in another width
    "a1f501",  # keys of other kinds
    "a1800101",
    "a1f93c0001",
    "9bffffffffffffffff",  # more elements than bytes
    "bbffffffffffffffff",
    "5bffffffffffffffff",
]


@pytest.mark.parametrize(("text", "value"), EXAMPLES)
def test_the_standards_examples_are_read(text: str, value: cbor.Value) -> None:
    assert cbor.decode(bytes.fromhex(text), "x") == value


@pytest.mark.parametrize("text", REFUSED)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(PeerError) as caught:
        cbor.decode(bytes.fromhex(text), "item")
    assert caught.value.where == "item"


@given(VALUES)
def test_what_is_written_is_read_back(value: cbor.Value) -> None:
    assert cbor.decode(cbor.encode(value), "x") == value


@given(VALUES)
def test_every_cut_is_refused(value: cbor.Value) -> None:
    whole = cbor.encode(value)
    for size in range(min(len(whole), 64)):
        with pytest.raises(PeerError):
            cbor.decode(whole[:size], "x")


@given(st.binary(max_size=200))
@example(b"\x9b\0\0\0\0\xff\xff\xff\xff")
def test_any_bytes_raise_only_our_error(data: bytes) -> None:
    for read in (cbor.decode, cbor.spans):
        try:
            read(data, "x")
        except PeerError:
            continue


@pytest.mark.parametrize("head", [b"\x81", b"\xc6", b"\xa1\x00"])
def test_nesting_is_bounded(head: bytes) -> None:
    cbor.decode(head * cbor.DEEPEST + b"\0", "x")
    for depth in (cbor.DEEPEST + 1, 10_000):
        with pytest.raises(PeerError, match="levels"):
            cbor.decode(head * depth + b"\0", "x")


def test_size_is_bounded() -> None:
    with pytest.raises(PeerError, match="at most"):
        cbor.decode(bytes(64 << 20), "x")


def test_number_of_more_than_64_bits_is_not_written() -> None:
    for number in (1 << 64, -(1 << 64) - 1, cbor.Tag(-1, 0)):
        with pytest.raises(InputError):
            cbor.encode(number)


def test_maps_are_written_in_the_order_of_their_keys_bytes() -> None:
    assert cbor.encode({100: 0, 10: 0, -1: 0, "z": 0, "aa": 0}).hex() == (
        "a5" + "0a00" + "186400" + "2000" + "617a00" + "62616100"
    )


def test_spans_say_where_each_element_lies() -> None:
    raw = cbor.encode(cbor.Tag(399, {1: b"abc", 300: (1, 2)}))
    found = cbor.spans(raw, "x")
    assert [one.key for one in found] == [1, 300]
    for one in found:
        assert cbor.decode(raw[one.offset : one.offset + one.size], "x") == one.value
    assert [one.key for one in cbor.spans(b"\x82\1\2", "x")] == [None, None]


@pytest.mark.parametrize("text", ["01", "c1c100", "8101ff", "c1"])
def test_what_has_no_elements_has_no_spans(text: str) -> None:
    with pytest.raises(PeerError):
        cbor.spans(bytes.fromhex(text), "x")


def test_half_floats_of_every_kind() -> None:
    infinite = cbor.decode(bytes.fromhex("f97c00"), "x")
    assert infinite == math.inf
    number = cbor.decode(bytes.fromhex("f97e00"), "x")
    assert isinstance(number, float)
    assert math.isnan(number)
    assert cbor.decode(b"\xfa" + struct.pack(">f", 0.5), "x") == 0.5


@given(st.one_of(st.binary(max_size=60), VALUES.map(cbor.encode)))
def test_cbor2_reads_the_same_or_we_refuse(data: bytes) -> None:
    cbor2 = pytest.importorskip("cbor2")
    try:
        ours = cbor.decode(data, "x")
    except PeerError:
        return
    if "Tag(" not in repr(ours):  # tags that cbor2 acts upon, we keep
        assert repr(ours) == repr(_plain(cbor2.loads(data)))


def _plain(value: object) -> object:
    if isinstance(value, list):
        return tuple(_plain(one) for one in value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value
