"""Attestation service and reference values as upstream's gRPC services, in bytes (§10.1, §13.1)."""

import binascii
from base64 import b64decode
from typing import TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message

from casemate.errors import InputError
from casemate.net.grpc import Services
from casemate.trustee.attestation.appraised import parse_all
from casemate.trustee.attestation.policy import AttestationPolicies
from casemate.trustee.attestation.service import POLICY_ID, AttestationService
from casemate.trustee.kbs.parts import KeepsReferenceValues
from casemate.trustee.kbs.remote import ATTESTATION, REFERENCE
from casemate.wire.pb import attestation_pb2, reference_pb2

_M = TypeVar("_M", bound=Message)


def attestation(service: AttestationService, policies: AttestationPolicies) -> Services:
    """Offer an attestation service."""

    async def evaluate(request: bytes) -> bytes:
        asked = _parse(attestation_pb2.AttestationRequest, request)
        appraised = await service.gathered(parse_all(asked))
        token = service.evaluate(appraised, next(iter(asked.policy_ids), POLICY_ID))
        return attestation_pb2.AttestationResponse(attestation_token=token).SerializeToString()

    def set_policy(request: bytes) -> bytes:
        asked = _parse(attestation_pb2.SetPolicyRequest, request)
        policies.set(asked.policy_id, _policy_text(asked.policy))
        return attestation_pb2.SetPolicyResponse().SerializeToString()

    def challenge(request: bytes) -> bytes:
        asked = _parse(attestation_pb2.ChallengeRequest, request).inner
        tee = asked.get("tee", "")
        text = service.challenge(tee, asked.get("session", ""))
        if text is None:
            raise InputError("challenge", got=tee, want="a TEE with a challenge of its own: se")
        return attestation_pb2.ChallengeResponse(attestation_challenge=text).SerializeToString()

    return {
        ATTESTATION: {
            "AttestationEvaluate": evaluate,
            "SetAttestationPolicy": set_policy,
            "GetAttestationChallenge": challenge,
        }
    }


def reference_values(values: KeepsReferenceValues) -> Services:
    """Offer reference values."""

    def query(request: bytes) -> bytes:
        asked = _parse(reference_pb2.ReferenceValueQueryRequest, request)
        value = values.query(asked.reference_value_id)
        answer = reference_pb2.ReferenceValueQueryResponse()
        if value is not None:
            answer.reference_value_results = msgspec.json.encode(value).decode()
        return answer.SerializeToString()

    def register(request: bytes) -> bytes:
        asked = _parse(reference_pb2.ReferenceValueRegisterRequest, request)
        values.register(asked.message.encode())
        return reference_pb2.ReferenceValueRegisterResponse().SerializeToString()

    return {REFERENCE: {"QueryReferenceValue": query, "RegisterReferenceValue": register}}


def _parse(kind: type[_M], data: bytes) -> _M:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InputError(kind.__name__, got=error, want="a protobuf message") from error


def _policy_text(encoded: str) -> str:
    text = encoded.rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InputError("policy", got=error, want="base64url of UTF-8 Rego") from error
