"""The Trustee's attestation policies, by id and class, over a storage (§12)."""

from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import msgspec

from casemate.errors import InputError
from casemate.rego.appraisal import Verdict, compile_policy
from casemate.trustee.attestation.evaluation import Evaluator
from casemate.trustee.storage import ATTESTATION_POLICIES, Storage

SHIPPED: Final = ("default_cpu",)
_LONGEST_ID: Final = 128


class AttestationPolicies:
    """Policies by id and class (``default_cpu``) over a storage."""

    def __init__(self, storage: Storage, evaluator: Evaluator) -> None:
        self._storage = storage
        self._evaluator = evaluator
        for name in SHIPPED:
            storage.put_if_absent(ATTESTATION_POLICIES, _key(name), shipped(name).encode())

    def set(self, name: str, text: str) -> None:
        """Take a policy that compiles, over an older one.

        Raises:
            InputError: an impossible name, or a text that does not compile.
        """
        _require_name(name)
        compile_policy(_key(name), text, {})
        self._storage.put(ATTESTATION_POLICIES, _key(name), text.encode())

    def get(self, name: str) -> str | None:
        """Give a policy's text."""
        found = self._storage.get(ATTESTATION_POLICIES, _key(name))
        return None if found is None else found.decode()

    def names(self) -> list[str]:
        """Give the ids of all policies."""
        return [key.removesuffix(".rego") for key, _ in self._storage.items(ATTESTATION_POLICIES)]

    def appraise(self, policy_id: str, tee_class: str, evidence: Mapping[str, Any]) -> Verdict:
        """Appraise annotated evidence with policy ``<policy_id>_<tee_class>``.

        Raises:
            InputError: there is no such policy, or it gives no trust vector.
        """
        name = f"{policy_id}_{tee_class}"
        text = self.get(name)
        if text is None:
            raise InputError(
                "attestation policy", got=name, want=f"one of {', '.join(self.names())}"
            )
        document = msgspec.json.encode(evidence)
        return Verdict.of(name, self._evaluator.evaluate(_key(name), text, document))


def shipped(name: str) -> str:
    """Give the text of a policy that comes with Casemate."""
    return (resources.files(__package__) / "policies" / f"{name}.rego").read_text("utf-8")


def _key(name: str) -> str:
    return f"{name}.rego"


def _require_name(name: str) -> None:
    plain = name.replace("_", "").replace("-", "")
    if not (plain.isascii() and plain.isalnum() and len(name) <= _LONGEST_ID):
        raise InputError("policy_id", got=name, want="letters, digits, _ and -", spec="§15")
