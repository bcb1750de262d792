import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto import pem
from casemate.errors import PeerError

ONE, TWO = pem.encode(b"one" * 40, "CERTIFICATE"), pem.encode(b"two", "CERTIFICATE")


def test_pieces_come_in_order_whatever_stands_around_them() -> None:
    text = (
        b"subject=x\n" + pem.encode(b"one", "CERTIFICATE") + b"\n" + pem.encode(b"two", "X509 CRL")
    )
    assert pem.blocks(text) == [b"one", b"two"]
    assert pem.blocks(text, "X509 CRL") == [b"two"]
    assert pem.blocks(text, "CERT") == []


def test_lines_of_any_length_and_end_are_read() -> None:
    text = pem.encode(bytes(range(256)), "CERTIFICATE")
    assert max(len(line) for line in text.splitlines()) == 64
    assert pem.blocks(text.replace(b"\n", b"\r\n")) == [bytes(range(256))]
    assert pem.blocks(text.replace(b"\n", b"")) == [bytes(range(256))]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\nYWJj\n",
        b"-----BEGIN A-----\nYWJj\n-----END B-----\n",
        b"-----BEGIN A-----\nYWJ\n-----END A-----\n",
        b"-----BEGIN A-----\nY*Jj\n-----END A-----\n",
        b"-----BEGIN A-----\nYW-j\n-----END A-----\n",
        b"-----BEGIN a-----\nYWJj\n-----END a-----\n",
        b"-----BEGIN A-----\nYWJj=YWJj\n-----END A-----\n",
    ],
)
def test_broken_piece_is_left_out(text: bytes) -> None:
    assert pem.blocks(text) == []


def test_broken_piece_does_not_hide_the_next() -> None:
    assert pem.blocks(b"-----BEGIN A-----\nY\n-----END A-----\n" + pem.encode(b"x", "A")) == [b"x"]


def test_pieces_are_bounded() -> None:
    assert len(pem.blocks(pem.encode(b"x", "A") * 5000)) == 4096


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN A-----" + b" " * (4 << 20),
        b"-----BEGIN A-----" + b"A" * (4 << 20),
        b"-----BEGIN A-----" * 200_000,
        b"-" * (4 << 20),
        b"-----BEGIN A-----\n" + b"A\n" * (1 << 20) + b"-----END B-----",
    ],
    ids=["spaces", "letters", "begins", "dashes", "other end"],
)
def test_time_is_bounded_by_the_size(text: bytes) -> None:
    assert pem.blocks(text) == []


@given(st.binary(max_size=300))
def test_piece_reads_as_it_was_written(body: bytes) -> None:
    assert pem.blocks(pem.encode(body, "CERTIFICATE")) == [body]


@given(st.binary(max_size=300))
def test_any_bytes_are_no_pieces(text: bytes) -> None:
    assert pem.blocks(text) == []


@pytest.mark.parametrize("text", [b"", ONE, ONE + TWO, b"\n" + ONE + b"\n\n" + TWO + b"\0\r\n"])
def test_pieces_alone_are_read(text: bytes) -> None:
    wanted = [b"one" * 40] * (ONE in text) + [b"two"] * (TWO in text)
    assert pem.only_blocks(text, "CERTIFICATE") == wanted


@pytest.mark.parametrize(
    "text",
    [
        b"x" + ONE,
        ONE + b"x" + TWO,
        ONE + b"x",
        b"-" + ONE,
        ONE.replace(b"END", b"ENT"),
        ONE.replace(b"CERTIFICATE", b"CERTIFICATF"),
        ONE.replace(b"\n", b"\n\n", 1),
        ONE.replace(b"\n-----END", b"\n\n-----END"),
        ONE.replace(b"\n", b"\n \n", 2),
        ONE.replace(b"b25l", b"b25=", 1),
        ONE.replace(b"b25l", b"b25", 1),
        ONE + pem.encode(b"x", "X509 CRL"),
    ],
)
def test_anything_beside_pieces_that_must_stand_alone_is_refused(text: bytes) -> None:
    assert text != ONE
    with pytest.raises(PeerError):
        pem.only_blocks(text, "CERTIFICATE")
