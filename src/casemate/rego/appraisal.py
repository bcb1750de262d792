"""Attestation policies: Rego over evidence and reference values gives a trust vector (§12).

Upstream's engine calls out for each ``query_reference_value``. Ours cannot, so the values are data
and the function is Rego. A Trustee appraises with these, and so does whoever relies on a service.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from casemate.errors import InputError
from casemate.rego.engine import Policy, Undefined
from casemate.wire.token import ANNOTATED, STATUS, VECTOR, TrustVector

RULES: Final = ("data.policy.trust_claims", "data.policy.extensions")

WANTS: Final = "casemate-wants "
"""What an asking policy prints before the name of a reference value."""

_FUNCTION: Final = """package policy

import rego.v1

query_reference_value(name) := object.get(data.casemate.reference_values, name, null)
"""
_ASKING_FUNCTION: Final = """package policy

import rego.v1

query_reference_value(name) := value if {
    print("casemate-wants", name)
    value := object.get(data.casemate.reference_values, name, null)
}
"""
_RESERVED: Final = frozenset(
    {STATUS, ANNOTATED, "ear.trustworthiness-vector", "ear.appraisal-policy-id"}
)


class Verdict(msgspec.Struct, frozen=True):
    """What a policy makes of evidence: trust claims, and members it adds to the token."""

    vector: TrustVector
    extensions: dict[str, Any]

    @classmethod
    def of(cls, name: str, found: tuple[Any, ...]) -> "Verdict":
        """Read what the RULES of policy ``name`` gave.

        Raises:
            InputError: it is no trust vector, or extensions are not what a token can carry.
        """
        claims, extensions = found
        return cls(_vector(claims, name), _extensions(extensions, name))


class _Extension(msgspec.Struct, frozen=True):
    name: str
    key: int
    value: Any


def compile_policy(
    name: str, text: str, values: Mapping[str, Any], *, asking: bool = False
) -> Policy:
    """Compile a policy over reference values; InputError when it does not compile.

    ``asking``: it prints WANTS and the name of each value it looks for.
    """
    function = _ASKING_FUNCTION if asking else _FUNCTION
    data = {"casemate": {"reference_values": dict(values)}}
    return Policy.compile(
        text, name=name, preludes=[("reference_values.rego", function)], data=data
    )


def appraise(
    name: str, text: str, values: Mapping[str, Any], evidence: Mapping[str, Any]
) -> Verdict:
    """Appraise annotated evidence (§11.1) once, outside a Trustee.

    Raises:
        InputError: the policy does not compile, or gives no trust vector.
    """
    policy = compile_policy(f"{name}.rego", text, values)
    return Verdict.of(name, policy.evaluate_all(RULES, msgspec.json.encode(evidence)))


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
