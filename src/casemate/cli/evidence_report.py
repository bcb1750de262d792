"""How ``casemate evidence verify`` tells what it found: steps, claims, or the refusal."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from casemate.cli import output
from casemate.errors import Refusal
from casemate.tee.evidence import VerifiedEvidence
from casemate.tee.trail import Trail
from casemate.tee.verifiers import VERIFIERS


def verified(
    trail: Trail,
    found: Sequence[VerifiedEvidence],
    gathered: Sequence[dict[str, Any]] | None = None,
    *,
    as_json: bool,
) -> None:
    """Tell that evidence holds, with every step and claim; ``gathered`` is what was fetched."""
    if as_json:
        first, *others = found
        shown: dict[str, Any] = {
            "verdict": "verified",
            "tee": trail.tee,
            "claims": first.claims,
            "from": _sources(trail.tee, first),
            "class": first.tee_class,
            "chain": first.chain,
            "steps": _steps(trail),
        }
        if others:
            shown["devices"] = [{"class": one.tee_class, "claims": one.claims} for one in found]
        output.print_json(shown | _collateral(gathered))
        return
    _tell_steps(trail)
    output.say(f"{trail.tee} evidence is genuine.")
    for one in found:
        sources = _sources(trail.tee, one)
        rows = [(name, _text(value), sources.get(name, "")) for name, value in flat(one.claims)]
        output.print_table(("claim", "value", "from"), rows)


def refused(
    trail: Trail,
    refusal: Refusal,
    gathered: Sequence[dict[str, Any]] | None = None,
    *,
    as_json: bool,
) -> None:
    """Tell that evidence was refused: the step, what came, what was wanted, what to do."""
    if as_json:
        output.print_json(
            {
                "verdict": "refused",
                "tee": trail.tee,
                **msgspec.to_builtins(refusal),
                "steps": _steps(trail),
                **_collateral(gathered),
            }
        )
        return
    _tell_steps(trail)
    output.say(f"refused: {refusal}")


def _collateral(gathered: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    return {} if gathered is None else {"collateral": gathered}


def _sources(tee: str, one: VerifiedEvidence) -> dict[str, str]:
    """Say which field of the evidence each claim was read from, where the TEE's table knows."""
    named = {name: VERIFIERS[tee].source(name) for name, _ in flat(one.claims)}
    return {name: source for name, source in named.items() if source}


def _steps(trail: Trail) -> Any:
    return msgspec.to_builtins(trail.results)


def _tell_steps(trail: Trail) -> None:
    rows = [(one.n, one.name, one.result.value, one.detail) for one in trail.results]
    output.print_table(("step", "name", "result", "detail"), rows)


def flat(claims: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Give claims by dotted name, nested ones after what they are nested in."""
    found: list[tuple[str, Any]] = []
    for name, value in claims.items():
        if isinstance(value, dict):
            found += flat(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, value))
    return found


_WIDEST: Final = 72


def _text(value: Any) -> str:
    """Say it on one line; ``--json`` has all of it."""
    text = f"{len(value)} entries" if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
