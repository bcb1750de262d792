"""The benchmarks run and compare as they say; how fast they are is nobody's business here."""

import pytest

from casemate.stack.bench import boot, pull, verify
from casemate.trace import Station
from casemate.wire.console import ConsoleEvent, EventKind


async def test_pull_is_compared_with_its_peers() -> None:
    said: list[str] = []
    result = await pull.run(said.append, megabytes=3, rounds=1)
    assert result.ours > 0
    assert result.ratio == pytest.approx(result.ours / result.floor)
    assert said


async def test_every_verification_is_compared_with_its_bare_signatures() -> None:
    result = await verify.run(lambda _text: None, rounds=1)
    assert result.ratio == pytest.approx(result.ours / result.floor)
    for tee in verify.SIGNATURES:
        assert result.details[f"{tee}_cold_ms"] > 0
        assert result.details[f"{tee}_cached_ms"] > 0
    assert result.details["event_log_100_ms"] > 0


def heard(*events: tuple[float, EventKind, Station]) -> list[tuple[float, ConsoleEvent]]:
    return [(time, ConsoleEvent(kind=kind, station=station)) for time, kind, station in events]


WAITED = heard(
    (1.0, EventKind.BEGIN, Station.ATTEST),
    (2.0, EventKind.BEGIN, Station.PULL),
    (3.0, EventKind.END, Station.ATTEST),
    (7.0, EventKind.END, Station.PULL),
    (8.0, EventKind.END, Station.ATTEST),
    (9.0, EventKind.BEGIN, Station.PULL),
    (9.5, EventKind.END, Station.PULL),
)
FETCHED = heard(
    (1.0, EventKind.BEGIN, Station.PULL),
    (2.0, EventKind.END, Station.ATTEST),
    (3.0, EventKind.END, Station.RELEASE),
    (5.0, EventKind.END, Station.RELEASE),
    (7.0, EventKind.END, Station.PULL),
)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(WAITED, id="waiting-for-attestation"),
        pytest.param(FETCHED, id="fetching-what-decides-about-images"),
    ],
)
def test_what_a_pod_needs_anyway_is_no_part_of_the_pull(
    events: list[tuple[float, ConsoleEvent]],
) -> None:
    assert boot.pulled(events) == pytest.approx(4.0)


def test_pod_that_pulled_nothing_has_nothing_taken_out() -> None:
    assert boot.pulled(heard((1.0, EventKind.BEGIN, Station.PULL))) == 0
