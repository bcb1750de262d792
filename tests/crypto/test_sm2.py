"""SM2 against the standard's own example, against gmssl, and against wrong input."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto.sm2 import LONGEST_IDENTITY, PrivateKey, PublicKey, Signature
from casemate.crypto.sm2_curve import (
    INFINITY,
    G,
    N,
    P,
    Point,
    add,
    affine,
    combine,
    double,
    multiply_generator,
    on_curve,
)
from casemate.errors import PeerError

# GB/T 32918.5-2017, annex A.2
IDENTITY = b"1234567812345678"
MESSAGE = b"message digest"
KEY = PrivateKey(0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8)
NONCE = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21
SIGNATURE = Signature(
    0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3,
    0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA,
)


def test_the_standards_example_is_reproduced() -> None:
    assert KEY.public.encoded.hex() == (
        "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
        "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
    )
    digest = KEY.public.digest(MESSAGE, IDENTITY)
    assert digest == 0xF0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640
    assert KEY.sign(MESSAGE, IDENTITY, nonce=NONCE) == SIGNATURE
    assert KEY.public.verifies(SIGNATURE, MESSAGE, IDENTITY)


@pytest.mark.parametrize(
    ("message", "identity"),
    [(b"message digesT", IDENTITY), (MESSAGE, b"1234567812345679"), (MESSAGE, b"")],
)
def test_another_message_or_identity_is_refused(message: bytes, identity: bytes) -> None:
    assert not KEY.public.verifies(SIGNATURE, message, identity)


@pytest.mark.parametrize("r", [0, N, N + SIGNATURE.r, -SIGNATURE.r, 1 << 576])
def test_first_number_out_of_range_is_refused(r: int) -> None:
    assert not KEY.public.verifies(Signature(r, SIGNATURE.s), MESSAGE, IDENTITY)


@pytest.mark.parametrize("s", [0, N, N + SIGNATURE.s, N - SIGNATURE.r, 1 << 576])
def test_second_number_out_of_range_is_refused(s: int) -> None:
    assert not KEY.public.verifies(Signature(SIGNATURE.r, s), MESSAGE, IDENTITY)


@pytest.mark.parametrize("point", [(0, 0), (G.x, G.y + 1), (G.x + P, G.y), (P, P), (-1, 1)])
def test_points_off_the_curve_are_no_keys(point: tuple[int, int]) -> None:
    with pytest.raises(PeerError):
        PublicKey(*point)


def test_identity_is_bounded_by_its_length_field() -> None:
    with pytest.raises(PeerError):
        KEY.public.verifies(SIGNATURE, MESSAGE, bytes(LONGEST_IDENTITY + 1))


def test_keys_are_values_and_private_ones_show_nothing() -> None:
    again = PublicKey(*KEY.public.point)
    assert again == KEY.public
    assert hash(again) == hash(KEY.public)
    assert again != PrivateKey.generate().public
    assert "3945" not in repr(KEY)
    assert KEY.public.encoded.hex()[:16] in repr(again)


def test_every_case_of_addition() -> None:
    one = (G.x, G.y, 1)
    opposite = Point(G.x, P - G.y)
    assert add(INFINITY, G) == one
    assert affine([add(one, G)]) == affine([double(one)])
    assert add(one, opposite)[2] == 0
    assert double(INFINITY)[2] == 0
    assert multiply_generator(N)[2] == 0
    assert multiply_generator(0)[2] == 0
    assert combine(1, 1, opposite) is None
    assert combine(0, 1, G) == G


@settings(max_examples=25)
@given(st.integers(1, N - 1), st.integers(1, N - 1))
def test_multiples_add_up(first: int, second: int) -> None:
    (point,) = affine([multiply_generator(second)])
    assert on_curve(point)
    total = (first + second * second) % N
    expected = affine([multiply_generator(total)])[0] if total else None
    assert combine(first, second, point) == expected


@settings(max_examples=25)
@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_is_signed_verifies(message: bytes, identity: bytes) -> None:
    key = PrivateKey.generate()
    assert key.public.verifies(key.sign(message, identity), message, identity)


@settings(max_examples=25)
@given(st.binary(min_size=1, max_size=100), st.booleans(), st.integers(0, 255))
def test_gmssl_agrees(message: bytes, flip: bool, bit: int) -> None:  # noqa: FBT001
    sm2 = pytest.importorskip("gmssl.sm2", reason="gmssl is an oracle for tests, not installed")
    key = PrivateKey.generate()
    while key.public.encoded[0] == 4:  # gmssl takes this byte for a prefix, and strips it
        key = PrivateKey.generate()
    signature = key.sign(message, IDENTITY)
    if flip:
        signature = Signature(signature.r ^ (1 << bit), signature.s)
    oracle = sm2.CryptSM2(private_key="", public_key=key.public.encoded.hex())
    digest = key.public.digest(message, IDENTITY).to_bytes(32, "big")
    written = f"{signature.r:064x}{signature.s:064x}"
    ours = key.public.verifies(signature, message, IDENTITY)
    assert ours is bool(oracle.verify(written, digest))
    assert ours is not flip
