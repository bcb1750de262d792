import pytest

from casemate.errors import PeerError, VerificationError
from casemate.guest.reporting import Stations
from casemate.trace import Station
from casemate.wire.console import ConsoleEvent, EventKind
from tests.sim.broker import refusal


def test_refusal_is_told_once_at_the_innermost_station() -> None:
    events: list[ConsoleEvent] = []
    stations = Stations(events.append)
    with (
        pytest.raises(VerificationError),
        stations.at(Station.PULL, "image"),
        stations.at(Station.RELEASE, "key"),
    ):
        raise VerificationError(refusal("cpu0"))
    told = [(event.kind, event.station) for event in events]
    assert told == [
        (EventKind.BEGIN, Station.PULL),
        (EventKind.BEGIN, Station.RELEASE),
        (EventKind.REFUSED, Station.RELEASE),
        (EventKind.END, Station.RELEASE),
        (EventKind.END, Station.PULL),
    ]
    assert events[2].refusal == refusal("cpu0")


def test_other_failures_are_told_in_words() -> None:
    events: list[ConsoleEvent] = []
    stations = Stations(events.append)
    with pytest.raises(PeerError), stations.at(Station.ATTEST, "broker"):
        raise PeerError("broker", got="silence", want="an answer")
    assert [event.kind for event in events] == [EventKind.BEGIN, EventKind.NOTE, EventKind.END]
    assert "silence" in events[1].note
