"""Attestation policies: Rego over evidence and reference values gives a trust vector (§12)."""

from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import msgspec

from casemate.errors import InputError
from casemate.rego.engine import Undefined
from casemate.trustee.attestation.evaluation import RULES, Evaluator, compile_policy
from casemate.trustee.storage import ATTESTATION_POLICIES, Storage
from casemate.wire.token import ANNOTATED, STATUS, VECTOR, TrustVector

_SHIPPED: Final = ("default_cpu",)
_LONGEST_ID: Final = 128
_RESERVED: Final = frozenset(
    {STATUS, ANNOTATED, "ear.trustworthiness-vector", "ear.appraisal-policy-id"}
)


class Verdict(msgspec.Struct, frozen=True):
    """What a policy makes of evidence: trust claims, and members it adds to the token."""

    vector: TrustVector
    extensions: dict[str, Any]


class _Extension(msgspec.Struct, frozen=True):
    name: str
    key: int
    value: Any


class AttestationPolicies:
    """Policies by id and class (``default_cpu``) over a storage."""

    def __init__(self, storage: Storage, evaluator: Evaluator) -> None:
        self._storage = storage
        self._evaluator = evaluator
        for name in _SHIPPED:
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
        claims, extensions = self._evaluator.evaluate(_key(name), text, document)
        return Verdict(_vector(claims, name), _extensions(extensions, name))


def appraise_once(
    name: str, text: str, values: Mapping[str, Any], evidence: Mapping[str, Any]
) -> Verdict:
    """Appraise annotated evidence with any policy over any values, outside a Trustee.

    Raises:
        InputError: the policy does not compile, or gives no trust vector.
    """
    policy = compile_policy(_key(name), text, dict(values))
    claims, extensions = policy.evaluate_all(RULES, msgspec.json.encode(evidence))
    return Verdict(_vector(claims, name), _extensions(extensions, name))


def shipped(name: str) -> str:
    """Give the text of a policy that comes with Casemate."""
    return (resources.files(__package__) / "policies" / f"{name}.rego").read_text("utf-8")


def _key(name: str) -> str:
    return f"{name}.rego"


def _require_name(name: str) -> None:
    plain = name.replace("_", "").replace("-", "")
    if not (plain.isascii() and plain.isalnum() and len(name) <= _LONGEST_ID):
        raise InputError("policy_id", got=name, want="letters, digits, _ and -", spec="§15")


def _vector(claims: Any, name: str) -> TrustVector:
    if claims is Undefined.ABSENT:
        return TrustVector()
    if not isinstance(claims, dict) or not claims.keys() <= set(VECTOR):
        raise InputError(f"{name}: trust_claims", got=claims, want=f"integers by {VECTOR}")
    for claim, value in claims.items():
        if isinstance(value, bool) or not isinstance(value, int) or not -128 <= value <= 127:
            raise InputError(f"{name}: {claim}", got=value, want="an integer of 8 bits")
    return msgspec.convert(claims, TrustVector)


def _extensions(found: Any, name: str) -> dict[str, Any]:
    if found is Undefined.ABSENT:
        return {}
    try:
        extensions = msgspec.convert(found, list[_Extension])
    except msgspec.ValidationError as error:
        raise InputError(f"{name}: extensions", got=error, want="name, key, value") from error
    members = {extension.name: extension.value for extension in extensions}
    if taken := members.keys() & _RESERVED:
        raise InputError(f"{name}: extensions", got=taken, want="names the token does not use")
    return members
