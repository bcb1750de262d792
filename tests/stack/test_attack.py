from typing import cast

import pytest

from casemate.errors import HostError, InputError, Refusal, VerificationError
from casemate.stack.attacks import table
from casemate.stack.attacks.attack import Attack, judge
from casemate.stack.scene import Scene

SCENE = cast("Scene", None)


def refusal(step: str) -> VerificationError:
    return VerificationError(
        Refusal(step=step, claim="c", got="g", expected="e", rule="r", remedy="")
    )


def attack(outcome: Exception | str) -> Attack:
    async def run(_scene: Scene) -> str:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Attack(name="a", title="A", expects=("tpm.8",), run=run)


async def test_refusal_by_the_attacked_rule_counts() -> None:
    result = await judge(attack(refusal("tpm.8 nonce")), SCENE)
    assert result.refused
    assert result.reason is not None


async def test_refusal_by_another_rule_does_not_count() -> None:
    result = await judge(attack(refusal("tpm.2 certificate")), SCENE)
    assert not result.refused
    assert "another rule" in result.note


async def test_attack_that_wins_is_told() -> None:
    result = await judge(attack("a token"), SCENE)
    assert not result.refused
    assert result.note == "not refused: a token"


async def test_attack_that_cannot_be_carried_out_proves_nothing() -> None:
    result = await judge(attack(HostError("port", got="in use", want="free")), SCENE)
    assert not result.refused
    assert "could not be carried out" in result.note


def test_every_attack_of_the_promise_is_there() -> None:
    names = [attack.name for attack in table.ATTACKS]
    assert len(set(names)) == len(names) >= 14


def test_unknown_attack_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="stale-nonce"):
        table.chosen(["nonsense"])


def test_no_name_means_every_attack() -> None:
    assert table.chosen([]) == table.ATTACKS
