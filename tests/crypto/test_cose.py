import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import cbor, cose
from casemate.crypto.algorithms import Kind
from casemate.crypto.keys import PrivateKey
from casemate.errors import InputError, PeerError, VerificationError

CURVES = [Kind.P256, Kind.P384, Kind.P521]
KEYS = {kind: PrivateKey.generate(kind) for kind in CURVES}
PAYLOAD = b"claims"


def parts(kind: Kind = Kind.P256) -> list[cbor.Value]:
    found = cbor.decode(cose.sign(PAYLOAD, KEYS[kind]), "x")
    assert isinstance(found, cbor.Tag)
    assert isinstance(found.value, tuple)
    return list(found.value)


def message(*members: cbor.Value, tag: int = 18) -> bytes:
    return cbor.encode(cbor.Tag(tag, tuple(members)))


@pytest.mark.parametrize("kind", CURVES)
def test_what_is_signed_is_verified(kind: Kind) -> None:
    found = cose.SignedMessage.parse(cose.sign(PAYLOAD, KEYS[kind]), "x")
    found.verify(KEYS[kind].public)
    assert found.payload == PAYLOAD


@pytest.mark.parametrize(("kind", "other"), list(itertools.permutations(CURVES, 2)))
def test_algorithm_of_another_curve_is_refused(kind: Kind, other: Kind) -> None:
    found = cose.SignedMessage.parse(cose.sign(PAYLOAD, KEYS[kind]), "x")
    with pytest.raises(VerificationError):
        found.verify(KEYS[other].public)


def test_algorithm_is_not_chosen_by_the_header_alone() -> None:
    """A header that names another algorithm than the key's is refused though all else is right."""
    protected = cbor.encode({1: -35})
    signed = cbor.encode(("Signature1", protected, b"", PAYLOAD))
    signature = KEYS[Kind.P256].sign(signed)
    found = cose.SignedMessage.parse(message(protected, {}, PAYLOAD, signature), "x")
    with pytest.raises(VerificationError):
        found.verify(KEYS[Kind.P256].public)


def test_edwards_key_is_refused() -> None:
    found = cose.SignedMessage.parse(cose.sign(PAYLOAD, KEYS[Kind.P256]), "x")
    with pytest.raises(VerificationError):
        found.verify(PrivateKey.generate(Kind.ED25519).public)


@pytest.mark.parametrize("index", [0, 2, 3])
def test_a_bit_in_any_part_refuses(index: int) -> None:
    original = parts()
    part = original[index]
    assert isinstance(part, bytes)
    for at in range(len(part)):
        changed = bytearray(part)
        changed[at] ^= 1
        original[index] = bytes(changed)
        with pytest.raises((PeerError, VerificationError)):
            cose.SignedMessage.parse(message(*original), "x").verify(KEYS[Kind.P256].public)


def test_protected_header_counts_as_it_came() -> None:
    """A header in another encoding is another header: what was signed is not re-encoded."""
    protected, _, payload, signature = parts()
    wide = bytes.fromhex("b80101 26".replace(" ", ""))  # the map's count in two bytes
    assert cbor.decode(wide, "x") == cbor.decode(bytes(protected), "x")  # type: ignore[arg-type]
    found = cose.SignedMessage.parse(message(wide, {}, payload, signature), "x")
    with pytest.raises(VerificationError):
        found.verify(KEYS[Kind.P256].public)
    signed = cbor.encode(("Signature1", wide, b"", PAYLOAD))
    resigned = message(wide, {}, payload, KEYS[Kind.P256].sign(signed))
    cose.SignedMessage.parse(resigned, "x").verify(KEYS[Kind.P256].public)


@pytest.mark.parametrize(
    ("protected", "unprotected"),
    [
        ({}, {}),
        ({}, {1: -7}),
        ({1: -7}, {1: -7}),
        ({1: -7}, {2: (4,)}),
        ({1: -7, 2: (4,), 4: b"kid"}, {}),
        ({1: -8}, {}),
        ({1: 5}, {}),
        ({1: -257}, {}),
        ({1: "ES256"}, {}),
        ({1: -7.0}, {}),
        ((1, -7), {}),
        (-7, {}),
    ],
)
def test_headers_that_cannot_be_meant_are_refused(
    protected: cbor.Value, unprotected: cbor.Value
) -> None:
    _, _, payload, signature = parts()
    with pytest.raises(PeerError):
        cose.SignedMessage.parse(
            message(cbor.encode(protected), unprotected, payload, signature), "x"
        )


def test_other_headers_are_passed_over() -> None:
    protected, _, payload, signature = parts()
    found = cose.SignedMessage.parse(
        message(protected, {4: b"kid", "x": 1}, payload, signature), ""
    )
    found.verify(KEYS[Kind.P256].public)


def test_other_envelopes_are_refused() -> None:
    protected, unprotected, payload, signature = parts()
    whole = (protected, unprotected, payload, signature)
    for raw in (
        cbor.encode(whole),
        message(*whole, tag=98),
        message(*whole, tag=17),
        message(*whole[:3]),
        message(*whole, b""),
        message(protected, unprotected, None, signature),
        message(protected, (), payload, signature),
        message(b"", unprotected, payload, signature),
        cose.sign(PAYLOAD, KEYS[Kind.P256]) + b"\0",
    ):
        with pytest.raises(PeerError):
            cose.SignedMessage.parse(raw, "x")


@pytest.mark.parametrize("size", [0, 1, 63, 65, 96, 132])
def test_signature_of_another_size_is_refused(size: int) -> None:
    protected, unprotected, payload, _ = parts()
    found = cose.SignedMessage.parse(message(protected, unprotected, payload, bytes(size)), "x")
    with pytest.raises(VerificationError):
        found.verify(KEYS[Kind.P256].public)


@pytest.mark.parametrize("kind", CURVES)
def test_keys_are_written_and_read_in_both_forms(kind: Kind) -> None:
    key = KEYS[kind].public
    assert cose.read_key(cose.encode_key(key), "x") == key
    assert cose.read_point(cose.encode_point(key), kind, "x") == key


def test_other_keys_are_refused() -> None:
    x, y = b"\1" * 32, b"\2" * 32
    good = cbor.decode(cose.encode_key(KEYS[Kind.P256].public), "x")
    assert isinstance(good, dict)
    others: list[cbor.Value] = [
        {**good, 1: 1},
        {**good, 1: 2.0},
        {**good, -1: 4},
        {**good, -1: True},
        {**good, -1: 2},
        {**good, -2: "text"},
        {**good, -3: True},  # the sign of y, compressed
        {**good, -3: b"\0" * 33},
        {**good, -2: x, -3: y},
        {1: 2, -1: 1, -2: x},
        (1, 2),
        {},
    ]
    for changed in others:
        with pytest.raises(PeerError):
            cose.read_key(cbor.encode(changed), "x")


def test_other_points_are_refused() -> None:
    point = cose.encode_point(KEYS[Kind.P384].public)
    for changed in (
        b"",
        point[:-1],
        point + b"\0",
        b"\2" + point[1:],
        b"\4" + bytes(96),
        point[:-1] + bytes([point[-1] ^ 1]),
    ):
        with pytest.raises(PeerError):
            cose.read_point(changed, Kind.P384, "x")


def test_keys_on_no_curve_make_no_message() -> None:
    key = PrivateKey.generate(Kind.ED25519)
    with pytest.raises(InputError):
        cose.sign(b"", key)
    for write in (cose.encode_key, cose.encode_point):
        with pytest.raises(InputError):
            write(key.public)


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(data: bytes) -> None:
    for read in (cose.SignedMessage.parse, cose.read_key):
        try:
            read(data, "x")
        except PeerError:
            continue


@pytest.mark.parametrize("kind", CURVES)
def test_pycose_agrees_on_signatures_both_ways(kind: Kind) -> None:
    pytest.importorskip("pycose")
    keys = pytest.importorskip("pycose.keys")
    messages = pytest.importorskip("pycose.messages")
    headers = pytest.importorskip("pycose.headers")

    theirs = messages.CoseMessage.decode(cose.sign(PAYLOAD, KEYS[kind]))
    theirs.key = keys.EC2Key.decode(cose.encode_key(KEYS[kind].public))
    assert theirs.verify_signature()
    theirs.payload = b"other"
    assert not theirs.verify_signature()

    key = keys.EC2Key.generate_key(crv=kind.replace("-", "_"))
    made = messages.Sign1Message(
        phdr={headers.Algorithm: cose._ALGORITHM_OF[kind]}, payload=PAYLOAD
    )
    made.key = key
    ours = cose.SignedMessage.parse(made.encode(), "x")
    ours.verify(cose.read_key(keys.EC2Key(crv=key.crv, x=key.x, y=key.y).encode(), "x"))
