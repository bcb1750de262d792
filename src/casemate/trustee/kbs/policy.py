"""The resource policy (trustee spec §9): one for all plugins, asked at every release."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

import msgspec

from casemate.errors import InputError, Refusal, quote
from casemate.rego.engine import Policy
from casemate.trustee.storage import POLICIES, Storage

POLICY_ID: Final = "resource-policy"
SHIPPED: Final = ("default", "allow_all", "deny_all", "affirming", "production", "local")
_KEY: Final = f"{POLICY_ID}.rego"
_CACHE: Final = 512


class Decision(msgspec.Struct, frozen=True):
    """What the policy says; ``reason`` is why not."""

    allowed: bool
    reason: Refusal | None = None


class ResourcePolicy:
    """The policy over a storage; compiled once for each request path it is asked about."""

    def __init__(self, storage: Storage, *, initial: str) -> None:
        self._storage = storage
        storage.put_if_absent(POLICIES, _KEY, shipped(initial).encode())
        self._policy = Policy.compile(self.text, name=_KEY)
        self._bound: dict[bytes, Policy] = {}

    @property
    def text(self) -> str:
        """The policy in force."""
        found = self._storage.get(POLICIES, _KEY)
        return "" if found is None else found.decode()

    def set(self, text: str) -> None:
        """Take a policy that compiles, over the older one.

        Raises:
            InputError: it does not compile.
        """
        policy = Policy.compile(text, name=_KEY)
        self._storage.put(POLICIES, _KEY, text.encode())
        self._policy = policy
        self._bound.clear()

    def decide(
        self, claims: Mapping[str, Any], *, plugin: str, path: Sequence[str], query: dict[str, str]
    ) -> Decision:
        """Decide on a release: ``data.policy.allow`` must be true, nothing less.

        Raises:
            InputError: the evaluation failed.
        """
        policy = self._with_request(plugin, path, query)
        document = msgspec.json.encode(claims)
        if policy.evaluate("data.policy.allow", document) is True:
            return Decision(allowed=True)
        return Decision(allowed=False, reason=_reason(policy, document, plugin, path))

    def _with_request(self, plugin: str, path: Sequence[str], query: dict[str, str]) -> Policy:
        data = {"plugin": plugin, "resource-path": list(path), "query": query}
        key = msgspec.json.encode(data)
        policy = self._bound.get(key)
        if policy is None:
            policy = self._policy.with_data(data)
            if len(self._bound) >= _CACHE:
                self._bound.clear()
            self._bound[key] = policy
        return policy


def shipped(name: str) -> str:
    """Give the text of a policy that comes with Casemate.

    Raises:
        InputError: there is none of that name.
    """
    if name not in SHIPPED:
        raise InputError("resource policy", got=name, want=", ".join(SHIPPED))
    file = "production" if name == "affirming" else name
    return (resources.files(__package__) / "policies" / f"{file}.rego").read_text("utf-8")


def _reason(policy: Policy, document: bytes, plugin: str, path: Sequence[str]) -> Refusal:
    """Join the policy's own ``reasons``, where it has them, into one refusal."""
    where = "/".join((plugin, *path))
    try:
        found = msgspec.convert(
            policy.evaluate("data.policy.reasons", document), list[dict[str, Any]]
        )
    except (InputError, msgspec.ValidationError):
        found = []
    if not found:
        return Refusal(
            step="release",
            claim=where,
            got="data.policy.allow is not true",
            expected="true",
            rule=POLICY_ID,
            remedy="Ask the owner what the resource policy wants of this workload.",
        )
    return Refusal(
        step="release",
        claim=_joined(found, "claim", ", "),
        got=_joined(found, "got", "; ") if len(found) == 1 else _paired(found, "got"),
        expected=_joined(found, "expected", "; ")
        if len(found) == 1
        else _paired(found, "expected"),
        rule=_joined(found, "rule", "; "),
        remedy=_joined(found, "remedy", " "),
    )


def _joined(reasons: list[dict[str, Any]], member: str, between: str) -> str:
    seen = dict.fromkeys(quote(reason.get(member, "")) for reason in reasons)
    return between.join(seen)


def _paired(reasons: list[dict[str, Any]], member: str) -> str:
    return "; ".join(f"{r.get('claim', '?')} {quote(r.get(member, ''))}" for r in reasons)
