"""The pod's own policy: every request of the host is put to it, and nothing happens without a yes.

Package ``agent_policy``, one rule for each request message (runtime.md §12). A rule that is absent
or has no value is a no.
"""

import logging
from functools import cached_property
from typing import Any, Final

from google.protobuf.message import Message

from casemate.errors import InputError, Refusal, VerificationError, quote
from casemate.guest.agent import json_patch, policy_input
from casemate.rego.engine import Policy, Undefined
from casemate.trace import Station

_PACKAGE: Final = "data.agent_policy"
_LARGEST: Final = 16 << 20
_LONGEST_LINE: Final = 64 << 10
_MOST_LINES: Final = 200_000
_log = logging.getLogger(__name__)


class BlockedError(VerificationError):
    """The policy said no. Its text is upstream's, so that their tools recognise it."""

    def __init__(self, request: str, reason: str, refusal: Refusal) -> None:
        self.request = request
        self.reason = reason
        super().__init__(refusal)

    def __str__(self) -> str:
        return f"{self.request} is blocked by policy: {self.reason}"


class AgentPolicy:
    """One compiled policy and the state it keeps between requests (``data.pstate``)."""

    def __init__(self, text: str, *, name: str) -> None:
        """Compile ``text``; ``name`` says where it came from.

        Raises:
            InputError: too long, or it does not compile.
        """
        _bounded(text, name)
        self.name = name
        self._text = text
        self._state: dict[str, Any] = {}
        self._first = Policy.compile(text, name=name, v0=True, data={"pstate": self._state})
        self._policy = self._first

    @cached_property
    def _lenient(self) -> bool:
        """What the policy said before anything was remembered, as upstream's agent asks it."""
        return self._first.evaluate(f"{_PACKAGE}.AllowRequestsFailingPolicy", {}) is True

    @cached_property
    def _stateless(self) -> Policy:
        """The policy that each new state is put into; few policies keep one."""
        return Policy.compile(self._text, name=self.name, v0=True)

    def permit(self, request: Message) -> None:
        """Let a request pass, remembering what the policy wants remembered.

        Raises:
            BlockedError: the policy does not allow it.
        """
        name = request.DESCRIPTOR.name
        answer, prints = self._ask(name, policy_input.render(request))
        if answer is True:
            return
        if isinstance(answer, dict) and answer.get("allowed") is True:
            self._remember(answer.get("ops") or [])
            return
        if isinstance(answer, Undefined) and self._lenient:
            _log.warning("%s has no rule in %s and passes all the same", name, self.name)
            return
        raise self._blocked(name, answer, prints)

    def _ask(self, rule: str, document: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
        evaluation = self._policy.trace(f"{_PACKAGE}.{rule}", document)
        return evaluation.value, evaluation.prints

    def _remember(self, operations: list[Any]) -> None:
        if operations:
            self._state = json_patch.apply(self._state, operations)
            self._policy = self._stateless.with_data({"pstate": self._state})

    def _blocked(self, name: str, answer: Any, prints: tuple[str, ...]) -> BlockedError:
        reason = "; ".join(prints) or _says(answer)
        refusal = Refusal(
            step=Station.START.value,
            claim=name,
            got=quote(reason),
            expected="true",
            rule=f"agent_policy.{name} in {self.name}",
            remedy="The pod's owner can allow it: policy.rego in the initdata.",
        )
        return BlockedError(name, reason, refusal)


def _says(answer: Any) -> str:
    if isinstance(answer, Undefined):
        return answer.value
    return "the rule says false"


def _bounded(text: str, name: str) -> None:
    lines = text.splitlines()
    if len(text) > _LARGEST or len(lines) > _MOST_LINES:
        raise InputError(name, got=f"{len(lines)} lines", want="16 MiB, 200 000 lines at most")
    if any(len(line) > _LONGEST_LINE for line in lines):
        raise InputError(name, got="a longer line", want="lines of at most 64 KiB")
