"""Evaluating attestation policies over reference values: ones that are here, or a peer's (§12.1).

Upstream's engine calls out for each ``query_reference_value``. Ours cannot, so the values are data
and the function is Rego. Values that are here are all given; of a peer's, which can only be asked
for by name, those the policy turns out to want: it prints the names, and is evaluated again.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from casemate.errors import InputError
from casemate.rego.appraisal import RULES, WANTS, compile_policy
from casemate.rego.engine import Policy
from casemate.trustee.reference_values.service import ReferenceValues

_ROUNDS: Final = 64
_MOST_NAMES: Final = 1024


class Evaluator(Protocol):
    """Gives the values of RULES, each of them or Undefined."""

    def evaluate(self, name: str, text: str, evidence: bytes) -> tuple[Any, ...]:
        """Evaluate policy ``text`` on annotated evidence (JSON); InputError when it fails."""
        ...


class _Compiled(NamedTuple):
    """A policy over the reference values of one revision, until one of them expires."""

    policy: Policy
    text: str
    revision: int
    until: float


class OwnValues:
    """Evaluates over values that are here; compiles once for each text and revision."""

    def __init__(self, values: ReferenceValues, *, clock: Callable[[], float]) -> None:
        self._values = values
        self._clock = clock
        self._compiled: dict[str, _Compiled] = {}

    def evaluate(self, name: str, text: str, evidence: bytes) -> tuple[Any, ...]:
        """Evaluate; see Evaluator."""
        known = self._compiled.get(name)
        if known is None or not self._holds(known, text):
            policy = compile_policy(name, text, dict(self._values.all()))
            known = _Compiled(policy, text, self._values.revision, self._values.good_until())
            self._compiled[name] = known
        return known.policy.evaluate_all(RULES, evidence)

    def _holds(self, known: _Compiled, text: str) -> bool:
        same = known.revision == self._values.revision and known.text == text
        return same and self._clock() < known.until


class AskedValues:
    """Evaluates over a peer's values. Names wanted before are asked for at once."""

    def __init__(self, query: Callable[[str], Any]) -> None:
        self._query = query
        self._names: set[str] = set()

    def evaluate(self, name: str, text: str, evidence: bytes) -> tuple[Any, ...]:
        """Evaluate; see Evaluator.

        Raises:
            PeerError: the peer does not answer.
        """
        values = {wanted: self._query(wanted) for wanted in sorted(self._names)}
        for _ in range(_ROUNDS):
            policy = compile_policy(name, text, values, asking=True)
            found, prints = policy.trace_all(RULES, evidence)
            new = {_wanted(line) for line in prints if WANTS in line} - values.keys()
            if not new:
                return found
            values |= {wanted: self._query(wanted) for wanted in sorted(new)}
            if len(values) > _MOST_NAMES:
                break
            self._names = set(values)
        raise InputError(name, got="ever more reference values", want=f"at most {_MOST_NAMES}")


def _wanted(line: str) -> str:
    return line.partition(WANTS)[2]
