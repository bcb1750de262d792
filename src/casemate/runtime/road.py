"""A pod's road as spans: the node's own times, joined with what the guest told on its console.

Console events carry the guest's word and the node's time of arrival. They are for people: the host
can forge them, and nothing decides by them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import PeerError
from casemate.trace import Span, Station
from casemate.wire import console, console_log
from casemate.wire.console import ConsoleEvent, EventKind

Heard = tuple[float, ConsoleEvent]

_WHERE: Final = {
    Station.REQUEST: "node",
    Station.LAUNCH: "node",
    Station.CONNECT: "node",
    Station.RELEASE: "trustee",
    Station.STOP: "node",
}
_TOLD: Final = (
    Station.INITDATA,
    Station.ATTEST,
    Station.RELEASE,
    Station.PULL,
    Station.START,
)
"""Stations which the guest measures itself."""
_MOST_EVENTS: Final = 5000


def read_events(folder: Path) -> list[Heard]:
    """Read the events of a pod's kept console; none when it has none."""
    try:
        lines = (folder / console_log.NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    heard = [event for event in map(_event, lines) if event is not None]
    return heard[:_MOST_EVENTS]


def spans(marks: Mapping[str, float], heard: Iterable[Heard], *, now: float) -> list[Span]:
    """Join marks and events to spans, in the order they began.

    Marks: ``request``, ``launch``, ``connected``, ``creating``, ``created``, ``started``,
    ``stopping``, ``stopped``; each is the time at which that was reached. A station may have
    several spans. What the guest does for a running pod (secrets on demand, more images) belongs
    to ``serve``.
    """
    events = [(time, event) for time, event in heard if time <= marks.get("started", now)]
    over = marks.get("connected", marks.get("stopped", now))
    switched_on = _first(events, Station.BOOT)
    booted = _booted(events) or over
    found = [
        *_between(Station.REQUEST, marks.get("request"), marks.get("launch")),
        *_between(Station.LAUNCH, marks.get("launch"), switched_on or over),
        *_between(Station.BOOT, switched_on, booted),
        *_told(events, marks),
        *_between(Station.CONNECT, _ready(events), marks.get("connected")),
        *_between(Station.SERVE, marks.get("started"), marks.get("stopping", now)),
        *_between(Station.STOP, marks.get("stopping"), marks.get("stopped")),
    ]
    if "launch" not in marks:
        found = [s for s in found if s.station is Station.REQUEST]
    if not any(s.station is Station.START for s in found):
        found += _between(Station.START, marks.get("created"), marks.get("started"))
    return sorted(found, key=lambda span: (span.start, list(Station).index(span.station)))


def seconds(found: Iterable[Span]) -> dict[Station, float]:
    """Sum up each station: time covered by its spans, overlaps counted once."""
    totals: dict[Station, float] = {}
    for station in Station:
        own = sorted((s.start, s.end) for s in found if s.station is station)
        if own:
            totals[station] = _covered(own)
    return totals


def _covered(intervals: list[tuple[float, float]]) -> float:
    total, reached = 0.0, intervals[0][0]
    for start, end in intervals:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _told(events: list[Heard], marks: Mapping[str, float]) -> list[Span]:
    """Pair begin and end of what the guest measures; nested pairs of a station become one.

    Pulling begins when the node asks for it: the guest may wait for its encrypted disk first.
    """
    found = []
    for station in _TOLD:
        open_at, depth, note = 0.0, 0, ""
        for time, event in events:
            if event.station is not station:
                continue
            if event.kind is EventKind.BEGIN:
                open_at, note = (time, event.note) if depth == 0 else (open_at, note)
                depth += 1
            elif event.kind is EventKind.REFUSED:
                note = f"refused: {event.note}"
            elif event.kind is EventKind.END and depth:
                depth -= 1
                if depth == 0:
                    found += _between(station, open_at, time, note or event.note)
        if depth:
            found += _between(station, open_at, max(time for time, _ in events), note)
    pulls = [span for span in found if span.station is Station.PULL]
    if pulls and (asked := marks.get("creating", pulls[0].start)) < pulls[0].start:
        found[found.index(pulls[0])] = msgspec.structs.replace(pulls[0], start=asked)
    return found


def _between(
    station: Station, start: float | None, end: float | None, note: str = ""
) -> list[Span]:
    if start is None or end is None:
        return []
    where = _WHERE.get(station, "guest")
    return [Span(station=station, start=start, end=max(start, end), note=note, where=where)]


def _first(events: list[Heard], station: Station) -> float | None:
    return next((time for time, event in events if event.station is station), None)


def _booted(events: list[Heard]) -> float | None:
    """When the guest began its own work: loading its code is still boot."""
    other = next((t for t, e in events if e.station is not Station.BOOT), None)
    ended = next(
        (t for t, e in events if e.station is Station.BOOT and e.kind is EventKind.END), None
    )
    return other if other is not None else ended


def _ready(events: list[Heard]) -> float | None:
    """When connecting began: the guest's word, or that its agent answers from now on."""
    begun = _first([(t, e) for t, e in events if e.kind is EventKind.BEGIN], Station.CONNECT)
    ready = next((t for t, e in events if e.kind is EventKind.READY), None)
    return begun if begun is not None else ready


def _event(line: bytes) -> Heard | None:
    try:
        entry = console_log.parse(line)
    except PeerError:
        return None  # damaged: kept for people to read, nothing for the trace
    event = console.parse(entry.text)
    return None if event is None else (entry.time, event)
