"""The routes of administrators: policies and reference values (trustee spec §2.2).

Upstream can neither show nor list policies and reference values; the routes that do are ours and
use methods and paths that upstream answers with 404.
"""

import binascii
from base64 import b64decode
from typing import TypeVar

import msgspec

from casemate.errors import MALFORMED_JSON, CasemateError, InputError, VerificationError
from casemate.trustee import audit
from casemate.trustee.kbs.admin import Administrators
from casemate.trustee.kbs.exchange import Answer, Ask
from casemate.trustee.kbs.failure import BrokerError, Variant, reason_of
from casemate.trustee.kbs.parts import KeepsPolicies, KeepsReferenceValues
from casemate.trustee.kbs.policy import POLICY_ID, ResourcePolicy

_T = TypeVar("_T")


class _AttestationPolicy(msgspec.Struct, frozen=True):
    policy_id: str
    policy: str


class _ResourcePolicy(msgspec.Struct, frozen=True):
    policy: str


class Administration:
    """Sets and shows what an owner decides, for administrators only."""

    def __init__(
        self,
        administrators: Administrators,
        attestation_policies: KeepsPolicies,
        resource_policy: ResourcePolicy,
        reference_values: KeepsReferenceValues,
    ) -> None:
        self._administrators = administrators
        self._attestation_policies = attestation_policies
        self._resource_policy = resource_policy
        self._reference_values = reference_values

    def answer(self, ask: Ask, endpoint: str, rest: list[str]) -> Answer | None:
        """Answer, or None where this route is not one of ours.

        Raises:
            BrokerError: not an administrator, or the request cannot be meant.
        """
        route = _ROUTES.get((ask.method, endpoint))
        if route is None:
            return None
        role = self._require(ask, endpoint)
        try:
            answer = route(self, ask, rest)
        except BrokerError as error:
            audit.record(f"{endpoint}.{ask.method}", outcome=error.detail, peer=ask.peer)
            raise
        audit.record(
            f"{endpoint}.{ask.method}", outcome="done", peer=ask.peer, role=role, id="/".join(rest)
        )
        return answer

    def require_for_plugin(self, ask: Ask) -> None:
        """Let an administrator use a plugin; BrokerError for anybody else."""
        try:
            self._administrators.require(ask)
        except VerificationError as error:
            audit.record("admin", outcome="refused", peer=ask.peer, path=ask.path)
            raise BrokerError(
                Variant.ADMIN_AUTH_INITIALIZATION,
                f"failed to initialize [admin] configuration: {_cause(error)}",
                reason=error.refusal,
            ) from error

    def set_attestation_policy(self, ask: Ask, _rest: list[str]) -> Answer:
        try:
            request = _decode(ask.body, _AttestationPolicy)
            self._attestation_policies.set(request.policy_id, _policy_text(request.policy))
        except InputError as error:
            raise BrokerError(
                Variant.ATTESTATION_ERROR,
                "Attestation error: Set Attestation Policy failed",
                reason=reason_of(error, "admin"),
            ) from error
        return Answer(200)

    def get_attestation_policy(self, _ask: Ask, rest: list[str]) -> Answer:
        if not rest:
            return Answer.json(msgspec.json.encode(self._attestation_policies.names()))
        text = self._attestation_policies.get("/".join(rest))
        if text is None:
            raise BrokerError(Variant.ATTESTATION_ERROR, "no such attestation policy", status=404)
        return Answer(200, text.encode(), (("content-type", "text/plain; charset=utf-8"),))

    def set_resource_policy(self, ask: Ask, _rest: list[str]) -> Answer:
        try:
            text = _policy_text(_decode(ask.body, _ResourcePolicy).policy)
        except InputError as error:
            raise BrokerError(
                Variant.PARSE_POLICY_ERROR,
                f"Failed to parse policy: {error}",
                reason=reason_of(error, "admin"),
            ) from error
        try:
            self._resource_policy.set(text)
        except InputError as error:
            raise BrokerError(
                Variant.POLICY_ENGINE_ERROR,
                f"Policy engine error: {error}",
                reason=reason_of(error, "admin"),
            ) from error
        return Answer(200)

    def get_resource_policy(self, _ask: Ask, rest: list[str]) -> Answer:
        if not rest:
            return Answer.json(msgspec.json.encode([POLICY_ID]))
        if rest != [POLICY_ID]:
            raise BrokerError(Variant.POLICY_ENGINE_ERROR, "no such resource policy", status=404)
        text = self._resource_policy.text
        return Answer(200, text.encode(), (("content-type", "text/plain; charset=utf-8"),))

    def register(self, ask: Ask, _rest: list[str]) -> Answer:
        try:
            self._reference_values.register(ask.body)
        except InputError as error:
            raise _rvps_error(error) from error
        return Answer.json(b"")

    def query(self, _ask: Ask, rest: list[str]) -> Answer:
        if not rest:
            return Answer.json(msgspec.json.encode(self._reference_values.all()))
        name = "/".join(rest)
        value = self._reference_values.query(name)
        if value is None:
            missing = InputError("reference value", got=name, want="a registered name")
            raise _rvps_error(missing)
        return Answer.json(msgspec.json.encode(value))

    def forget(self, _ask: Ask, rest: list[str]) -> Answer:
        if not self._reference_values.delete("/".join(rest)):
            missing = InputError("reference value", got="/".join(rest), want="a registered name")
            raise _rvps_error(missing)
        return Answer(200)

    def _require(self, ask: Ask, endpoint: str) -> str:
        try:
            return self._administrators.require(ask)
        except VerificationError as error:
            audit.record("admin", outcome="refused", peer=ask.peer, path=ask.path)
            raise BrokerError(
                Variant.ADMIN_AUTH_ACCESS,
                f"admin access denied for endpoint {endpoint}: {_cause(error)}",
                reason=error.refusal,
            ) from error


_ROUTES = {
    ("POST", "attestation-policy"): Administration.set_attestation_policy,
    ("GET", "attestation-policy"): Administration.get_attestation_policy,
    ("POST", "resource-policy"): Administration.set_resource_policy,
    ("GET", "resource-policy"): Administration.get_resource_policy,
    ("POST", "reference-value"): Administration.register,
    ("GET", "reference-value"): Administration.query,
    ("DELETE", "reference-value"): Administration.forget,
}


def _cause(error: VerificationError) -> str:
    """Say it as upstream does: its clients look for parts of these texts."""
    refusal = error.refusal
    if refusal.got.startswith("Role "):
        return refusal.got
    return f"{refusal.expected} ({refusal.got})"


def _rvps_error(error: CasemateError) -> BrokerError:
    return BrokerError(
        Variant.RVPS_ERROR,
        f"RVPS configuration failed: {error}",
        reason=reason_of(error, "admin"),
    )


def _decode(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except MALFORMED_JSON as error:
        raise InputError("body", got=error, want="the JSON of trustee spec §2.2") from error


def _policy_text(encoded: str) -> str:
    try:
        text = encoded.rstrip("=")
        padded = text + "=" * (-len(text) % 4)
        return b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InputError("policy", got=error, want="base64url of UTF-8 Rego") from error
