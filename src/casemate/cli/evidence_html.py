"""A verification, and a layout, as one page for people: complete in itself, light and dark."""

from collections.abc import Sequence
from hashlib import sha256
from html import escape
from typing import Any, Final

from casemate.cli.evidence_options import Asked
from casemate.cli.evidence_report import flat
from casemate.errors import Refusal
from casemate.tee.evidence import VerifiedEvidence
from casemate.tee.layout import Section
from casemate.tee.trail import Trail
from casemate.tee.verifiers import VERIFIERS

_SIGNS: Final = {"passed": "✓", "failed": "✗", "skipped": "-"}
_LONGEST: Final = 400


def page(
    trail: Trail,
    asked: Asked,
    raw: bytes,
    *,
    found: Sequence[VerifiedEvidence] = (),
    refusal: Refusal | None = None,
) -> str:
    """Draw a verification: the verdict, what it was verified against, each step, each claim."""
    verdict = "refused" if refusal else "verified"
    parts = [_facts(asked, raw)]
    if refusal:
        parts.append(_refusal(refusal))
    parts.append("<h2>Steps</h2>" + _steps(trail))
    for one in found:
        parts.append(f"<h2>Claims ({escape(one.tee_class)})</h2>" + _claims(one))
        parts.append("<h2>Who vouched</h2>" + _chain(one.chain))
    return _page(f"{trail.tee} evidence: {verdict}", verdict, "".join(parts))


def layout_page(tee: str, sections: Sequence[Section]) -> str:
    """Draw a layout: every field with its place. Says that nothing was verified."""
    parts = ["<p>Fields as they stand in the evidence. Nothing was verified.</p>"]
    for section in sections:
        rows = [
            (
                "" if one.offset is None else f"{one.offset:#05x}",
                "" if one.size is None else one.size,
                one.name,
                one.value,
                one.meaning,
            )
            for one in section.fields
        ]
        columns = ("offset", "size", "field", "value", "meaning")
        parts.append(f"<h2>{escape(section.title)}</h2>" + _table(columns, rows))
    return _page(f"{tee} evidence: layout", "", "".join(parts))


def _facts(asked: Asked, raw: bytes) -> str:
    expected, inputs = asked.expected, asked.inputs
    rows = [
        ("evidence", f"{len(raw)} bytes, SHA-256 {sha256(raw).hexdigest()}"),
        ("time of verification", inputs.now.isoformat()),
        (
            "report data",
            "not looked at" if expected.report_data is None else expected.report_data.hex(),
        ),
        ("initdata", str(expected.init_data or "none given")),
        ("debug", "allowed" if inputs.options.allow_debug else "refused"),
        ("migration", "allowed" if inputs.options.allow_migration else "refused"),
        (
            "roots beside the vendors'",
            ", ".join(sorted(p.hex() for p in inputs.anchors.pins)) or "none",
        ),
        *(
            (f"option {tee}.{name}", value)
            for tee, own in inputs.options.own.items()
            for name, value in own.items()
        ),
    ]
    return "<h2>Verified against</h2>" + _table(("what", "value"), rows)


def _refusal(refusal: Refusal) -> str:
    rows = [
        ("step", refusal.step),
        ("claim", refusal.claim),
        ("got", refusal.got),
        ("expected", refusal.expected),
        ("rule", refusal.rule),
        ("what to do", refusal.remedy or "nothing: this evidence proves nothing"),
    ]
    return '<div class="refusal">' + _table(("refused", ""), rows) + "</div>"


def _steps(trail: Trail) -> str:
    checks = {check.number: check for check in VERIFIERS[trail.tee].checks}
    done = {one.n: one for one in trail.results}
    rows = []
    for number, check in checks.items():
        one = done.get(number)
        result = one.result.value if one else "not reached"
        sign = _SIGNS.get(result, " ")
        detail = (one.detail if one else "") or check.what
        rows.append((number, f"{sign} {result}", check.name, detail, check.spec))
    return _table(("step", "result", "name", "detail", "rule"), rows)


def _claims(one: VerifiedEvidence) -> str:
    source = VERIFIERS[one.tee].source
    rows = [(name, _text(value), source(name)) for name, value in flat(one.claims)]
    return _table(("claim", "value", "from"), rows)


def _chain(chain: Sequence[str]) -> str:
    if not chain:
        return "<p>Nobody: this evidence has no chain.</p>"
    return "<ol>" + "".join(f"<li><code>{escape(name)}</code></li>" for name in chain) + "</ol>"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) > 8:
        return f"{len(value)} entries"
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _page(title: str, verdict: str, body: str) -> str:
    return _PAGE.format(title=escape(title), verdict=escape(verdict), body=body)


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; }}
@media (prefers-color-scheme: dark) {{ :root {{ --good: #3fb950; --bad: #ff7b72; }} }}
body {{ font: 15px/1.5 system-ui, sans-serif; }}
body {{ max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; border-left: .4rem solid var(--line); padding-left: .7rem; }}
h1.verified {{ border-color: var(--good); }} h1.refused {{ border-color: var(--bad); }}
h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
.wide {{ overflow-x: auto; }} table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; }}
th, td {{ border-bottom: 1px solid var(--line); }}
th {{ font-weight: 600; white-space: nowrap; }}
td {{ font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
td:first-child {{ white-space: nowrap; }}
.refusal {{ border: 1px solid var(--bad); border-radius: .4rem; padding: .2rem 1rem; }}
</style></head>
<body><h1 class="{verdict}">{title}</h1>{body}</body></html>
"""
