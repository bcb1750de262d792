import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import Refusal
from casemate.trace import Station
from casemate.wire.console import LONGEST_LINE, PREFIX, ConsoleEvent, EventKind, encode, parse

EVENT = ConsoleEvent(
    kind=EventKind.REFUSED,
    station=Station.ATTEST,
    note="evidence refused",
    refusal=Refusal(step="attest", claim="pcr11", got="a", expected="b", rule="r", remedy="m"),
    uptime=3.25,
)


def test_event_survives_the_console() -> None:
    assert parse(encode(EVENT)) == EVENT


def test_event_behind_carriage_return_and_kernel_text_is_found() -> None:
    assert parse(b"[    1.2] noise" + encode(EVENT)[:-1] + b"\r\n") == EVENT


def test_other_lines_are_no_events() -> None:
    assert parse(b"[    0.000000] Linux version 6.1.0") is None


def test_line_stays_within_its_limit_whatever_the_texts() -> None:
    long = "\x00\N{SNOWMAN}" * 5000
    refusal = Refusal(step=long, claim=long, got=long, expected=long, rule=long, remedy=long)
    event = ConsoleEvent(
        kind=EventKind.REFUSED, station=Station.PULL, note=long, refusal=refusal, uptime=1.0
    )
    line = encode(event)
    assert len(line) <= LONGEST_LINE
    assert line.count(b"\n") == 1
    shortened = parse(line)
    assert shortened is not None
    assert shortened.station is Station.PULL


@pytest.mark.parametrize(
    "line",
    [
        PREFIX + b'{"kind":"dance","station":"boot"}',
        PREFIX + b" " * LONGEST_LINE,
        PREFIX + b'{"x":' + b"[" * 3500,
        encode(EVENT)[:60] + b"[    4.033270] reboot: Power down\r\n",
        encode(EVENT)[:60] + b"[    2.1] hrtimer: late\r\n",
    ],
    ids=["unknown kind", "too long", "too deep", "cut by the end", "cut by the kernel"],
)
def test_damaged_event_is_none(line: bytes) -> None:
    assert parse(line) is None


@settings(max_examples=100)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_event_or_none(line: bytes, prefixed: bool) -> None:  # noqa: FBT001  # hypothesis
    event = parse((PREFIX if prefixed else b"") + line)
    assert event is None or isinstance(event, ConsoleEvent)


@settings(max_examples=100)
@given(st.text(max_size=100))
def test_any_note_is_one_line(note: str) -> None:
    event = ConsoleEvent(kind=EventKind.NOTE, station=Station.BOOT, note=note)
    line = encode(event)
    assert line.count(b"\n") == 1
    assert parse(line) == event


def test_kernel_that_met_a_wrong_block_of_the_root_is_a_refusal() -> None:
    line = b"[    2.174901] Kernel panic - not syncing: dm-verity device corrupted\r\n"
    event = parse(line)
    assert event is not None
    assert event.kind is EventKind.REFUSED
    assert event.refusal is not None
    assert "dm-verity" in event.refusal.got


def test_panic_in_the_middle_of_an_event_is_heard() -> None:
    panic = b"[ 2.1] Kernel panic - not syncing: dm-verity device corrupted\r\n"
    event = parse(encode(EVENT)[:60] + panic)
    assert event is not None
    assert event.refusal is not None
    assert event.refusal.claim == "root file system"


def test_event_that_quotes_a_panic_is_that_event() -> None:
    quoting = ConsoleEvent(
        kind=EventKind.NOTE, station=Station.BOOT, note="Kernel panic - not syncing: no"
    )
    assert parse(encode(quoting)) == quoting


def test_any_other_panic_of_the_kernel_is_a_failure() -> None:
    event = parse(b"[ 1.0] Kernel panic - not syncing: Attempted to kill init!")
    assert event is not None
    assert (event.kind, event.note) == (EventKind.FAILED, "Attempted to kill init!")
