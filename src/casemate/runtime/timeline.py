"""A trace as a picture: one HTML page with an SVG inside, complete in itself, light and dark.

Times are a share of the road up to ``start``; ``serve`` and ``stop`` come after and are told in the
table, since a pod may serve for days.
"""

import math
import time
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from casemate.runtime.tracing import Trace, TracedSpan
from casemate.trace import Station

_WIDTH: Final = 1120
_LEFT: Final = 112
_RIGHT: Final = 24
_TOP: Final = 30
_ROW: Final = 38
_BAR: Final = 20
_MOST_TICKS: Final = 12
_LONGEST_NOTE: Final = 120

_SAYS: Final = {
    Station.REQUEST: "the pod is read and planned",
    Station.LAUNCH: "vTPM and disks are made, the VM is switched on",
    Station.BOOT: "firmware, kernel, verified root: each measured before it runs",
    Station.INITDATA: "the pod's configuration is bound to the TPM before any network",
    Station.CONNECT: "one channel, both sides proven",
    Station.ATTEST: "evidence goes to the Trustee, a token comes back",
    Station.RELEASE: "policy says yes: keys and secrets, sealed to this guest",
    Station.PULL: "image fetched, signature verified, decrypted in the guest",
    Station.START: "the guest's own policy is asked, the container starts",
    Station.SERVE: "the container runs",
    Station.STOP: "container, VM and keys are gone",
}


def rows(trace: Trace) -> list[tuple[str, str, str, str]]:
    """Give a table: station, seconds, where, note; all eleven stations."""
    made = []
    for station in Station:
        own = [s for s in trace.spans if s.station == station]
        seconds = f"{trace.totals[station]:8.3f}" if own else "       -"
        where = own[0].where if own else "-"
        note = (_notes(own) or _SAYS[station]) if own else "not reached"
        made.append((station.value, seconds, where, note))
    return made


def html(trace: Trace) -> str:
    """Draw the page."""
    title = f"{trace.name} {_outcome(trace)} after {trace.seconds:.1f} s"
    return _PAGE.format(
        title=escape(title),
        pod=escape(trace.pod[:12]),
        when=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(_begin(trace.spans))),
        refusal=_refusal(trace),
        svg=_svg(trace),
        rows="\n".join(_table_row(station, trace) for station in Station),
    )


def _outcome(trace: Trace) -> str:
    if trace.refusal is not None:
        return "was refused"
    return "was running" if Station.SERVE in trace.totals else "ended without running"


def _svg(trace: Trace) -> str:
    road = [s for s in trace.spans if s.station not in {Station.SERVE, Station.STOP}]
    begin = _begin(road)
    length = max((s.end for s in road), default=begin) - begin or 1.0
    stations = [s for s in Station if s not in {Station.SERVE, Station.STOP}]
    height = _TOP + _ROW * len(stations) + 8
    scale = (_WIDTH - _LEFT - _RIGHT) / length
    parts = [_ticks(length, scale, height)]
    for row, station in enumerate(stations):
        y = _TOP + row * _ROW
        own = [s for s in road if s.station == station]
        seconds = trace.totals.get(station, 0.0)
        parts.append(_row(station, own, seconds, y=y, begin=begin, scale=scale))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Timeline of the pod">{"".join(parts)}</svg>'
    )


def _ticks(length: float, scale: float, height: int) -> str:
    step = _step(length)
    parts = []
    for i in range(math.floor(length / step) + 1):
        x = _LEFT + i * step * scale
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height - 6}"/>'
            f'<text class="tick" x="{x:.1f}" y="{_TOP - 12}">{i * step:g} s</text>'
        )
    return "".join(parts)


def _step(length: float) -> float:
    """Choose a round distance between ticks: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(length, 1e-6)))
    for factor in (0.1, 0.2, 0.5, 1.0, 2.0):
        if length / (factor * power) <= _MOST_TICKS:
            return factor * power
    return 5.0 * power


def _row(
    station: Station,
    own: Sequence[TracedSpan],
    seconds: float,
    *,
    y: int,
    begin: float,
    scale: float,
) -> str:
    middle = y + _ROW / 2
    label = f'<text class="name" x="{_LEFT - 14}" y="{middle + 4.5:.1f}">{station.value}</text>'
    line = f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{middle}" y2="{middle}"/>'
    bars = "".join(_bar(s, y=y, begin=begin, scale=scale) for s in own)
    return label + line + bars + _figure(own, seconds, y=y, begin=begin, scale=scale)


def _bar(span: TracedSpan, *, y: int, begin: float, scale: float) -> str:
    x = _LEFT + (span.start - begin) * scale
    width = max(span.seconds * scale, 3.0)
    tip = f"{span.station}: {span.seconds:.2f} s, {span.where}. {span.note}"
    return (
        f'<rect class="{escape(span.where)}" x="{x:.1f}" y="{y + (_ROW - _BAR) / 2}" '
        f'width="{width:.1f}" height="{_BAR}" rx="4"><title>{escape(tip)}</title></rect>'
    )


def _figure(
    own: Sequence[TracedSpan], seconds: float, *, y: int, begin: float, scale: float
) -> str:
    """Write the seconds behind the last bar, or before the first where there is no room."""
    if not own:
        return ""
    text = f"{seconds:.2f} s"
    last = _LEFT + (max(s.end for s in own) - begin) * scale
    first = _LEFT + (min(s.start for s in own) - begin) * scale
    fits = last + 64 < _WIDTH
    x, anchor = (last + 8, "start") if fits else (first - 8, "end")
    middle = y + _ROW / 2 + 4.5
    return f'<text class="figure" text-anchor="{anchor}" x="{x:.1f}" y="{middle:.1f}">{text}</text>'


def _table_row(station: Station, trace: Trace) -> str:
    own = [s for s in trace.spans if s.station == station]
    if not own:
        return (
            f'<tr class="missing"><td class="station">{station}</td>'
            '<td class="number">-</td><td></td><td></td><td>not reached</td></tr>'
        )
    seconds, where, note = trace.totals[station], escape(own[0].where), _notes(own)
    late = station in {Station.SERVE, Station.STOP}
    share = "" if late or not trace.seconds else f"{seconds / trace.seconds:.0%}"
    told = f'<div class="note">{escape(note)}</div>' if note else ""
    return (
        f'<tr><td class="station">{station}</td><td class="number">{seconds:.2f}</td>'
        f'<td class="number">{share}</td><td><span class="where {where}">{where}</span></td>'
        f"<td>{escape(_SAYS[station])}{told}</td></tr>"
    )


def _refusal(trace: Trace) -> str:
    if trace.refusal is None:
        return ""
    refusal = trace.refusal
    parts = (
        ("step", refusal.step),
        ("claim", refusal.claim),
        ("got", refusal.got),
        ("expected", refusal.expected),
        ("rule", refusal.rule),
        ("what to do", refusal.remedy),
    )
    items = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in parts if text)
    return f'<section class="refused"><h2>Refused</h2><dl>{items}</dl></section>'


def _notes(own: Iterable[TracedSpan]) -> str:
    """Join what the spans say, each thing once."""
    told = list(dict.fromkeys(span.note for span in own if span.note))
    text = "; ".join(told)
    return text if len(text) <= _LONGEST_NOTE else text[: _LONGEST_NOTE - 1] + "…"


def _begin(spans: Sequence[TracedSpan]) -> float:
    return min((s.start for s in spans), default=0.0)


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{
  --page: #f7f7f5; --card: #fff; --text: #1d2126; --quiet: #69707a; --line: #e4e5e3;
  --node: #7a8594; --guest: #2a78c8; --trustee: #d18518; --bad: #b3261e;
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --page: #14171a; --card: #1c2024; --text: #e8eaed; --quiet: #99a1ab; --line: #2e343a;
    --node: #8d99a8; --guest: #5aa6ee; --trustee: #e9a845; --bad: #ff8a80;
  }}
}}
* {{ box-sizing: border-box; }}
body {{
  margin: 0; padding: 40px 24px; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}}
main {{ max-width: 1120px; margin: 0 auto; }}
header {{
  display: flex; flex-wrap: wrap; gap: 8px 32px; align-items: flex-end;
  justify-content: space-between; margin-bottom: 20px;
}}
h1 {{ font-size: 26px; line-height: 1.2; margin: 0; font-weight: 650; letter-spacing: -0.01em; }}
h1 + p {{ margin: 4px 0 0; color: var(--quiet); }}
.legend {{ display: flex; gap: 20px; color: var(--quiet); }}
.legend i {{
  display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 7px;
}}
.card {{
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 20px 24px; margin-bottom: 20px;
}}
.scroll {{ overflow-x: auto; }}
svg {{ display: block; width: 100%; min-width: 760px; height: auto; font: inherit; }}
.grid {{ stroke: var(--line); }}
.rule {{ stroke: var(--line); stroke-dasharray: 1 5; }}
.tick {{ fill: var(--quiet); font-size: 12px; text-anchor: middle; }}
.name {{ fill: var(--text); font-size: 14px; text-anchor: end; }}
.figure {{ fill: var(--quiet); font-size: 13px; font-variant-numeric: tabular-nums; }}
rect.node {{ fill: var(--node); }} rect.guest {{ fill: var(--guest); }}
rect.trustee {{ fill: var(--trustee); }}
i.node {{ background: var(--node); }} i.guest {{ background: var(--guest); }}
i.trustee {{ background: var(--trustee); }}
table {{ width: 100%; border-collapse: collapse; }}
th {{
  text-align: left; font-weight: 500; color: var(--quiet); font-size: 13px; padding: 0 16px 8px 0;
}}
td {{ border-top: 1px solid var(--line); padding: 9px 16px 9px 0; vertical-align: baseline; }}
.station {{ font-weight: 600; }}
.missing td {{ color: var(--quiet); }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.note {{ color: var(--quiet); font-size: 13px; overflow-wrap: anywhere; }}
.where {{ border-left: 3px solid var(--line); padding-left: 8px; }}
.where.node {{ border-color: var(--node); }} .where.guest {{ border-color: var(--guest); }}
.where.trustee {{ border-color: var(--trustee); }}
.refused {{
  border: 1px solid var(--bad); border-left-width: 5px; border-radius: 12px; padding: 14px 24px;
  margin-bottom: 20px; background: var(--card);
}}
.refused h2 {{ color: var(--bad); font-size: 17px; margin: 0 0 6px; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 2px 20px; margin: 0; }}
dt {{ color: var(--quiet); }} dd {{ margin: 0; overflow-wrap: anywhere; }}
footer {{ color: var(--quiet); font-size: 13px; }}
</style>
</head>
<body>
<main>
<header>
<div><h1>{title}</h1><p>pod {pod} · requested {when}</p></div>
<div class="legend"><span><i class="node"></i>node</span><span><i class="guest"></i>guest</span>
<span><i class="trustee"></i>Trustee</span></div>
</header>
{refusal}
<section class="card scroll">{svg}</section>
<section class="card scroll">
<table>
<thead><tr><th>station</th><th class="number">seconds</th><th class="number">share</th>
<th>where</th><th>what happened</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</section>
<footer>Guest times are the guest's own word on its console, at the moment the node heard it. Pull
includes the attestation and releases it waits for.</footer>
</main>
</body>
</html>
"""
