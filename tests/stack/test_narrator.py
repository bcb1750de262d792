import io

import pytest
from rich.console import Console

from casemate.errors import Refusal
from casemate.stack.attacks.attack import AttackResult
from casemate.stack.demo.narrator import Narrator, Stretch

RESULT = AttackResult(
    name="stale-nonce",
    title="genuine evidence over an old nonce",
    refused=True,
    reason=Refusal(
        step="attest", claim="nonce", got="a" * 64, expected="b" * 64, rule="r", remedy="Again."
    ),
    note="",
    seconds=0.4,
)


def told(*, terminal: bool) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=80, highlight=False)
    narrator = Narrator(steps=2, console=console)
    narrator.title("Casemate")
    with narrator.step("Attacks") as step:
        step("one")
        narrator.attack(RESULT)
    narrator.summary([RESULT])
    narrator.fact("root hash", "f" * 64)
    narrator.command("casemate up")
    narrator.timeline(
        [
            Stretch("request", 0.1, ((0.0, 0.1),)),
            Stretch("release", 3.0, ((0.1, 1.1), (10.0, 12.0))),
        ]
    )
    narrator.banner(["Proved here"], good=True)
    return screen.getvalue()


def test_nothing_is_wider_than_eighty_columns() -> None:
    assert max(len(line.rstrip()) for line in told(terminal=False).splitlines()) <= 80


def test_reason_is_told_whole() -> None:
    text = told(terminal=False)
    assert all(word in text for word in ("refused", "nonce", "a" * 64, "b" * 64, "Again."))


@pytest.mark.parametrize("terminal", [True, False])
def test_without_a_terminal_no_escape_sequence_is_told(*, terminal: bool) -> None:
    assert ("\x1b[" in told(terminal=terminal)) is terminal
