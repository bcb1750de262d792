"""Stores of firmware variables built by hand: read as they are, or refused."""

from struct import pack

import pytest

from casemate.errors import InputError
from casemate.tee.vtpm.firmware_variables import Variable, parse_store

STORE = bytes.fromhex("782cf3aa7b949a43a1802e144ec37792")
VENDOR = b"V" * 16
ADDED, DELETED = 0x3F, 0x3D


def variable(name: str, value: bytes, *, state: int = ADDED, claimed: int = 0) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    head = (
        b"\xaa\x55" + bytes((state, 0)) + bytes(32) + pack("<II", len(text), claimed or len(value))
    )
    raw = head + VENDOR + text + value
    return raw + b"\xff" * (-len(raw) % 4)


def store(*variables: bytes, free: int = 64) -> bytes:
    content = b"".join(variables) + b"\xff" * free
    header = bytes(40) + b"_FVH" + bytes(4) + pack("<H", 72) + bytes(22)
    return header + STORE + pack("<I", 28 + len(content)) + bytes(8) + content


def test_live_variables_alone_are_read() -> None:
    raw = store(
        variable("Old", b"gone", state=DELETED), variable("Lang", b"eng"), variable("B", b"")
    )
    assert parse_store(raw) == (Variable(VENDOR, "Lang", b"eng"), Variable(VENDOR, "B", b""))
    assert parse_store(store()) == ()


def test_store_may_end_with_its_last_variable() -> None:
    assert len(parse_store(store(variable("Lang", b"engl"), free=0))) == 1


@pytest.mark.parametrize("claimed", [80, 1000, 0xFFFFFFFF])
def test_variable_past_the_end_is_refused(claimed: int) -> None:
    with pytest.raises(InputError, match="past the end"):
        parse_store(store(variable("Lang", b"eng", claimed=claimed)))


def test_store_that_is_none_or_too_large_is_refused() -> None:
    right = store(variable("Lang", b"eng"))
    for raw in (b"", right[:40], right.replace(b"_FVH", b"_FVI"), right.replace(STORE, VENDOR)):
        with pytest.raises(InputError, match="no variable store"):
            parse_store(raw)
    with pytest.raises(InputError, match="at most"):
        parse_store(bytes(64 << 20))
