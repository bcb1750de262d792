import os
import tempfile

from casemate.errors import HostError, Refusal, VerificationError
from casemate.guest.console import Console, last_words
from casemate.trace import Station
from casemate.wire.console import EventKind, parse

REFUSAL = Refusal(step="s", claim="c", got="g", expected="e", rule="r", remedy="m")


def test_stations_are_told_with_the_guests_own_clock() -> None:
    with tempfile.TemporaryFile() as file:
        console = Console(file.fileno())
        console.begin(Station.PULL, "image")
        console.end(Station.PULL, "image")
        file.seek(0)
        begin, end = (parse(line) for line in file.readlines())
    assert begin is not None
    assert end is not None
    assert (begin.kind, end.kind) == (EventKind.BEGIN, EventKind.END)
    assert 0 < begin.uptime <= end.uptime


def test_last_words_carry_the_refusal_through_a_group() -> None:
    error = ExceptionGroup("tasks", [VerificationError(REFUSAL)])
    event = last_words(Station.INITDATA, error)
    assert event.kind is EventKind.REFUSED
    assert event.refusal == REFUSAL


def test_last_words_of_a_missing_device_say_what_is_missing() -> None:
    event = last_words(Station.BOOT, HostError("disk", got="none", want="one", remedy="add it"))
    assert event.kind is EventKind.FAILED
    assert event.refusal is not None
    assert event.refusal.remedy == "add it"


def test_text_of_an_unexpected_error_stays_inside() -> None:
    event = last_words(Station.BOOT, ValueError("hunter2"))
    assert "hunter2" not in event.note
    assert "ValueError" in event.note


def test_console_that_cannot_be_written_costs_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    Console(write).begin(Station.BOOT)
    os.close(write)
