"""The trace of a pod that is here, or of one that was."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from casemate.errors import Refusal
from casemate.runtime import road
from casemate.runtime.sandbox import Sandboxes
from casemate.trace import Span


class TracedSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One span; times are Unix seconds, ``seconds`` its length."""

    station: str
    start: float
    end: float
    seconds: float
    where: str
    note: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A pod's road. ``totals`` are seconds by station, overlaps within one counted once."""

    pod: str
    name: str
    seconds: float
    """From request to started, or to the end of the last span when it never started."""
    spans: tuple[TracedSpan, ...]
    totals: dict[str, float]
    refusal: Refusal | None = None


def trace_of(state: Path, text: str) -> Trace:
    """Find a pod's trace by id, beginning of it, or name.

    Raises:
        InputError: no such pod, here or kept; or several.
    """
    sandboxes = Sandboxes(state)
    if not sandboxes.pods.matching(text):
        kept = sandboxes.pods.kept_trace(text)
        return make(kept.pod, kept.name, kept.spans)
    pod = sandboxes.pods.find(text)
    return make(pod.id, pod.name, sandboxes.trace(pod), refusal=pod.refusal)


def make(pod: str, name: str, spans: Sequence[Span], *, refusal: Refusal | None = None) -> Trace:
    """Make the trace of some spans."""
    begin = min((s.start for s in spans), default=0.0)
    ready = [s.end for s in spans if s.station not in {"serve", "stop"}]
    return Trace(
        pod=pod,
        name=name,
        seconds=round(max(ready, default=begin) - begin, 3),
        spans=tuple(
            TracedSpan(
                station=s.station.value,
                start=s.start,
                end=s.end,
                seconds=round(s.seconds, 3),
                where=s.where,
                note=s.note,
            )
            for s in spans
        ),
        totals={k.value: round(v, 3) for k, v in road.seconds(spans).items()},
        refusal=refusal,
    )
