"""What an attack is, and how its outcome is judged."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from casemate.errors import CasemateError, Refusal, VerificationError
from casemate.stack.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack.

    ``run`` raises VerificationError where a defence held, and returns what it won otherwise.
    ``expects`` are texts of which the refusal must show one (in its step, claim, got or rule), so
    that an attack that fails for a silly reason does not count as a defence.
    """

    name: str
    title: str
    expects: tuple[str, ...]
    run: Callable[[Scene], Awaitable[str]]
    boots: bool = False
    """Whether it needs a pod VM of its own."""


class AttackResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one attack went."""

    name: str
    title: str
    refused: bool
    reason: Refusal | None
    note: str
    """What happened instead, when it was not refused as it should be."""
    seconds: float


async def judge(attack: Attack, scene: Scene) -> AttackResult:
    """Run an attack and judge it: only the right refusal counts."""
    begin = time.monotonic()
    refused, reason, note = await _outcome(attack, scene)
    return AttackResult(
        name=attack.name,
        title=attack.title,
        refused=refused,
        reason=reason,
        note=note,
        seconds=round(time.monotonic() - begin, 2),
    )


async def _outcome(attack: Attack, scene: Scene) -> tuple[bool, Refusal | None, str]:
    try:
        won = await attack.run(scene)
    except VerificationError as error:
        expected = _shows(error.refusal, attack.expects)
        note = "" if expected else f"refused, but by another rule: {error}"
        return expected, error.refusal, note
    except CasemateError as error:
        return False, None, f"the attack could not be carried out: {error}"
    return False, None, f"not refused: {won}"


def _shows(refusal: Refusal, texts: tuple[str, ...]) -> bool:
    shown = f"{refusal.step} {refusal.claim} {refusal.got} {refusal.rule}".lower()
    return any(text.lower() in shown for text in texts)
