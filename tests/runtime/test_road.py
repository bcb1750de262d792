from pathlib import Path

from casemate.runtime import road
from casemate.trace import Span, Station
from casemate.wire import console, console_log
from casemate.wire.console import ConsoleEvent, EventKind

BEGIN, END = EventKind.BEGIN, EventKind.END
MARKS = {
    "request": 100.0,
    "launch": 100.5,
    "connected": 115.0,
    "created": 120.0,
    "started": 121.0,
    "stopping": 200.0,
    "stopped": 200.5,
}


def _event(time: float, kind: EventKind, station: Station, note: str = "") -> road.Heard:
    return time, ConsoleEvent(kind=kind, station=station, note=note)


HEARD = [
    _event(101, BEGIN, Station.BOOT),
    _event(112, END, Station.BOOT),
    _event(112, BEGIN, Station.INITDATA),
    _event(113, END, Station.INITDATA, "bound"),
    _event(113, BEGIN, Station.CONNECT),
    _event(114, EventKind.READY, Station.CONNECT),
    _event(115, BEGIN, Station.PULL),
    _event(116, BEGIN, Station.ATTEST),
    _event(117, END, Station.ATTEST),
    _event(117, BEGIN, Station.RELEASE),
    _event(117.5, BEGIN, Station.RELEASE),
    _event(118, END, Station.RELEASE),
    _event(118.5, END, Station.RELEASE),
    _event(119, END, Station.PULL),
    _event(150, BEGIN, Station.RELEASE, "a secret on demand"),
    _event(151, END, Station.RELEASE),
]


def test_all_eleven_stations_come_out_in_order() -> None:
    found = road.spans(MARKS, HEARD, now=300)
    assert [s.station for s in found if s.station is not Station.PULL] == [
        s for s in Station if s is not Station.PULL
    ]
    assert road.seconds(found) == {
        Station.REQUEST: 0.5,
        Station.LAUNCH: 0.5,
        Station.BOOT: 11,
        Station.INITDATA: 1,
        Station.CONNECT: 2,
        Station.ATTEST: 1,
        Station.RELEASE: 1.5,
        Station.PULL: 4,
        Station.START: 1,
        Station.SERVE: 79,
        Station.STOP: 0.5,
    }


def test_waiting_for_the_encrypted_disk_is_part_of_pulling() -> None:
    found = road.spans({**MARKS, "creating": 114.5}, HEARD, now=300)
    assert road.seconds(found)[Station.PULL] == 4.5


def test_loading_the_guests_code_is_part_of_booting() -> None:
    heard = [HEARD[0], HEARD[1], _event(112.5, BEGIN, Station.INITDATA)]
    assert road.seconds(road.spans(MARKS, heard, now=300))[Station.BOOT] == 11.5


def test_a_running_pod_serves_until_now() -> None:
    marks = {k: v for k, v in MARKS.items() if not k.startswith("stop")}
    assert road.seconds(road.spans(marks, HEARD, now=151))[Station.SERVE] == 30


def test_a_pod_refused_at_its_first_step_has_that_step_only() -> None:
    found = road.spans({"request": 1.0}, [], now=5)
    assert [s.station for s in found] == []
    found = road.spans({"request": 1.0, "launch": 2.0}, [], now=5)
    assert [s.station for s in found] == [Station.REQUEST, Station.LAUNCH]


def test_a_station_left_by_refusal_ends_with_the_last_word() -> None:
    heard = [*HEARD[:8], _event(118, EventKind.REFUSED, Station.ATTEST, "pcr11")]
    found = road.spans({**MARKS, "connected": 115.0}, heard, now=300)
    attest = next(s for s in found if s.station is Station.ATTEST)
    assert (attest.end, attest.note) == (118, "refused: pcr11")


def test_overlaps_of_a_station_count_once() -> None:
    spans = [
        Span(station=Station.RELEASE, start=0, end=2),
        Span(station=Station.RELEASE, start=1, end=3),
        Span(station=Station.RELEASE, start=5, end=6),
    ]
    assert road.seconds(spans) == {Station.RELEASE: 4}


def test_a_console_full_of_nonsense_gives_no_events(tmp_path: Path) -> None:
    good = console_log.ConsoleLine(5.0, console.encode(HEARD[0][1]).rstrip())
    lines = [b"\xff\xfe\n", b"12 casemate-event {\n", b"kernel\n", console_log.encode(good)]
    (tmp_path / console_log.NAME).write_bytes(b"".join(lines))
    assert road.read_events(tmp_path) == [(5.0, HEARD[0][1])]
    assert road.read_events(tmp_path / "none") == []
