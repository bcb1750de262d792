"""Rego policies, compiled once and evaluated often, on the engine that upstream uses (regorus).

Evaluation is a pure function of a policy, its data and an input: an evaluation runs on a copy of
the compiled engine, so nothing an evaluation does is seen by the next one.
"""

import os
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Self, final

import msgspec

from casemate.errors import MALFORMED_JSON, InputError, quote

_LARGEST_POLICY: Final = 4 << 20
_LARGEST_INPUT: Final = 16 << 20
_DEEPEST: Final = 14
_BRACKETS: Final = re.compile(r"[\[\]{}]")
_NO_SUCH_RULE: Final = "not a valid rule path"
_UNDEFINED_TEXT: Final = b'"<undefined>"'


class Undefined(Enum):
    """What an evaluation gives when the rule has no value."""

    ABSENT = "the policy has no such rule"
    VALUELESS = "no body of the rule holds"


class Evaluation(msgspec.Struct, frozen=True):
    """A rule's value, or Undefined, and what the policy printed on the way."""

    value: Any
    prints: tuple[str, ...]


@final
class Policy:
    """A compiled policy. ``name`` is what messages call it, e.g. ``default_cpu.rego``."""

    __slots__ = ("_engine", "name")

    def __init__(self, engine: Any, name: str) -> None:
        self._engine = engine
        self.name = name

    @classmethod
    def compile(
        cls,
        text: str,
        *,
        name: str,
        v0: bool = False,
        preludes: Sequence[tuple[str, str]] = (),
        data: Mapping[str, Any] | None = None,
    ) -> Self:
        """Compile a module; ``preludes`` are further modules (name, text), ``data`` is JSON.

        ``v0`` reads the old syntax (no ``if``), as kata's agent policies are written.

        Raises:
            InputError: the text is over 4 MiB, does not parse, or rules conflict.
        """
        # Somebody's RUST_BACKTRACE would make each question for a rule that is not there take a
        # tenth of a second: the library would look up every frame, for a text that nobody reads.
        os.environ.setdefault("RUST_LIB_BACKTRACE", "0")
        import regorus  # late: 7 MB that a guest with no policy need not load

        if len(text) > _LARGEST_POLICY:
            raise InputError(name, got=f"{len(text)} characters", want="at most 4 Mi characters")
        _require_shallow(text, name)
        engine = regorus.Engine()
        engine.set_rego_v0(v0)
        engine.set_gather_prints(True)
        try:
            for prelude, prelude_text in preludes:
                engine.add_policy(prelude, prelude_text)
            engine.add_policy(name, text)
            if data is not None:
                engine.add_data_json(_json(data, name))
            _prepare(engine)
        except RuntimeError as error:
            raise _refused(name, error, "a policy that compiles") from error
        return cls(engine, name)

    def with_data(self, data: Mapping[str, Any]) -> Self:
        """Give this policy with ``data`` merged into its data document.

        It costs about as much as compiling: keep the result.

        Raises:
            InputError: ``data`` conflicts with what the policy has.
        """
        engine = self._engine.clone()
        try:
            engine.add_data_json(_json(data, self.name))
            _prepare(engine)
        except RuntimeError as error:
            raise _refused(self.name, error, "data that does not conflict") from error
        return type(self)(engine, self.name)

    def evaluate(self, rule: str, document: object) -> Any:
        """Give the value of ``rule`` (as ``data.policy.allow``) for an input, or Undefined.

        Raises:
            InputError: the input is no JSON, or the evaluation fails (conflicting values, ...).
        """
        return self.trace(rule, document).value

    def trace(self, rule: str, document: object) -> Evaluation:
        """Evaluate like ``evaluate``, and give what the policy printed too."""
        engine = self._given(document)
        return Evaluation(self._value(engine, rule), tuple(engine.take_prints()))

    def evaluate_all(self, rules: Sequence[str], document: object) -> tuple[Any, ...]:
        """Evaluate several rules on one input, as ``evaluate`` does each."""
        return self.trace_all(rules, document)[0]

    def trace_all(
        self, rules: Sequence[str], document: object
    ) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        """Evaluate like ``evaluate_all``, and give what the policy printed too."""
        engine = self._given(document)
        values = tuple(self._value(engine, rule) for rule in rules)
        return values, tuple(engine.take_prints())

    def _given(self, document: object) -> Any:
        engine = self._engine.clone()
        text = _json(document, self.name)
        try:
            engine.set_input_json(text)
        except RuntimeError as error:
            raise _refused(f"{self.name}: input", error, "a JSON document") from error
        return engine

    def _value(self, engine: Any, rule: str) -> Any:
        try:
            text = engine.eval_rule_as_json(rule).encode()
        except RuntimeError as error:
            if _first_lines(error) == _NO_SUCH_RULE:
                return Undefined.ABSENT
            raise _refused(f"{self.name}: {rule}", error, "an evaluation without error") from error
        return Undefined.VALUELESS if text == _UNDEFINED_TEXT else msgspec.json.decode(text)

    def __repr__(self) -> str:
        return f"Policy({self.name})"


def _require_shallow(text: str, name: str) -> None:
    """Refuse deep nesting: the engine's parser takes twice as long for each level of brackets.

    Brackets in strings and comments count too. That refuses nothing real: generated policies
    nest seven deep.
    """
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > _DEEPEST:
            raise InputError(name, got="deeper", want=f"brackets nested at most {_DEEPEST} deep")


def _prepare(engine: Any) -> None:
    """Make the engine analyse its modules now, so that copies need not."""
    engine.set_input_json("{}")
    engine.eval_query_as_json("true")
    engine.take_prints()


def _json(document: object, name: str) -> str:
    try:
        text = document if isinstance(document, bytes) else msgspec.json.encode(document)
    except (TypeError, ValueError, *MALFORMED_JSON) as error:
        raise InputError(f"{name}: input", got=error, want="a JSON document") from error
    if len(text) > _LARGEST_INPUT:
        raise InputError(f"{name}: input", got=f"{len(text)} bytes", want="at most 16 MiB")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: input", got=error, want="a JSON document") from error


def _first_lines(error: RuntimeError) -> str:
    return str(error).partition("\n\nStack backtrace")[0].strip()


def _refused(where: str, error: RuntimeError, want: str) -> InputError:
    return InputError(where, got=quote(" ".join(_first_lines(error).split())), want=want)
