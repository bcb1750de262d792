import io
from pathlib import Path

import pytest
from rich.console import Console

from casemate.errors import Refusal
from casemate.stack.attacks.attack import AttackResult
from casemate.stack.demo import banner
from casemate.stack.demo.narrator import Narrator
from casemate.stack.demo.report import ImageFacts, Measurements, Report

HELD = AttackResult(
    name="replay",
    title="evidence replayed",
    refused=True,
    reason=Refusal(step="attest", claim="c", got="g", expected="e", rule="r", remedy=""),
    note="",
    seconds=0.1,
)
FELL = AttackResult(
    name="replay", title="t", refused=False, reason=None, note="not refused: a token", seconds=0.1
)
SEEN = Measurements(predicted={"pcr11": "aa"}, seen={"pcr11": "aa"})


def report(*attacks: AttackResult, seen: Measurements = SEEN) -> Report:
    failures = tuple(banner.failures(attacks, seen))
    return Report(
        ok=not failures,
        seconds=42.0,
        accel="tcg",
        spans={},
        attacks=attacks,
        measurements=seen,
        image=ImageFacts(reference="r", digest="sha256:00", layers=2, encrypted=1, signed=True),
        pod="p",
        secret_arrived=True,
        failures=failures,
    )


def told(made: Report) -> str:
    screen = io.StringIO()
    narrator = Narrator(steps=1, console=Console(file=screen, width=80, highlight=False))
    banner.close(narrator, made, keep=False, state=Path("/state"))
    return " ".join(screen.getvalue().replace("│", " ").split())


def test_success_says_that_no_hardware_stands_behind_it() -> None:
    text = told(report(HELD))
    assert "1 of 1 attacks refused" in text
    assert "TPM is emulated" in text
    assert "not encrypted" in text
    assert "no production policy accepts this TPM" in text


@pytest.mark.parametrize(
    ("attack", "seen", "words"),
    [
        (FELL, SEEN, "replay: not refused: a token"),
        (HELD, Measurements(predicted={"pcr11": "aa"}, seen={"pcr11": "bb"}), "foretold aa"),
        (HELD, Measurements(predicted={}, seen={}), "no measurement was foretold"),
    ],
)
def test_defence_that_did_not_hold_is_no_success(
    attack: AttackResult, seen: Measurements, words: str
) -> None:
    made = report(attack, seen=seen)
    assert not made.ok
    text = told(made)
    assert "FAILED" in text
    assert words in text
