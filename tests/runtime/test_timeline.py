import xml.etree.ElementTree as ET

import msgspec

from casemate.errors import Refusal
from casemate.runtime import road, timeline, tracing
from casemate.trace import Span, Station
from tests.runtime.test_road import HEARD, MARKS

TRACE = tracing.make("a" * 64, "app", road.spans(MARKS, HEARD, now=300))


def test_the_table_has_all_eleven_stations() -> None:
    assert [row[0] for row in timeline.rows(TRACE)] == [s.value for s in Station]


def test_the_page_needs_nothing_else_and_shows_every_bar() -> None:
    page = timeline.html(TRACE)
    for foreign in ("http://", "https://", "<script", "@import", "url("):
        assert foreign not in page
    picture = page[page.index("<svg") : page.index("</svg>") + 6]
    bars = ET.fromstring(picture).findall("rect")
    assert len(bars) == 9
    assert {bar.get("class") for bar in bars} == {"node", "guest", "trustee"}
    assert "21.0 s" in page


def test_what_a_guest_says_cannot_become_markup() -> None:
    span = Span(
        station=Station.PULL, start=1, end=2, note="<script>alert(1)</script>", where="guest"
    )
    page = timeline.html(tracing.make("b" * 64, "<b>app</b>", [span]))
    assert "<script" not in page
    assert "<b>" not in page


def test_a_refusal_stands_above_the_picture() -> None:
    refusal = Refusal(step="attest", claim="pcr11", got="a", expected="b", rule="r", remedy="m")
    page = timeline.html(msgspec.structs.replace(TRACE, refusal=refusal))
    assert "was refused" in page
    assert page.index("pcr11") < page.index("<svg")


def test_an_empty_trace_is_drawn_too_and_does_not_claim_a_running_pod() -> None:
    page = timeline.html(tracing.make("c" * 64, "app", []))
    assert "not reached" in page
    assert "ended without running" in page
