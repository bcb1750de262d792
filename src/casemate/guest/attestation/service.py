"""``attestation_agent.AttestationAgentService`` over ttrpc (guest-components §3)."""

from collections.abc import Mapping
from typing import Final

from casemate.errors import InputError
from casemate.guest import messages
from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.attestation.measurements import Outcome
from casemate.net.ttrpc import Method
from casemate.wire.pb import attestation_agent_pb2 as pb

SERVICE: Final = "attestation_agent.AttestationAgentService"
_RESULTS: Final = {
    Outcome.DONE: pb.OK,
    Outcome.NOT_SUPPORTED: pb.NOT_SUPPORTED,
    Outcome.NOT_ENABLED: pb.NOT_ENABLED,
}


def methods(agent: AttestationAgent) -> Mapping[str, Method]:
    """Give every method of the service, served by ``agent``."""
    service = _Service(agent)
    return {
        "GetEvidence": service.get_evidence,
        "GetAdditionalEvidence": service.get_additional_evidence,
        "GetToken": service.get_token,
        "ExtendRuntimeMeasurement": service.extend_runtime_measurement,
        "BindInitData": service.bind_init_data,
        "GetTeeType": service.get_tee_type,
        "GetAdditionalTees": service.get_additional_tees,
    }


class _Service:
    def __init__(self, agent: AttestationAgent) -> None:
        self._agent = agent

    async def get_evidence(self, payload: bytes) -> bytes:
        request = messages.parse(pb.GetEvidenceRequest, payload)
        evidence = await self._agent.evidence(request.RuntimeData)
        return pb.GetEvidenceResponse(Evidence=evidence).SerializeToString()

    async def get_additional_evidence(self, payload: bytes) -> bytes:
        request = messages.parse(pb.GetAdditionalEvidenceRequest, payload)
        evidence = await self._agent.additional_evidence(request.RuntimeData)
        return pb.GetEvidenceResponse(Evidence=evidence).SerializeToString()

    async def get_token(self, payload: bytes) -> bytes:
        request = messages.parse(pb.GetTokenRequest, payload)
        token = await self._agent.token(request.TokenType)
        return pb.GetTokenResponse(Token=token).SerializeToString()

    async def extend_runtime_measurement(self, payload: bytes) -> bytes:
        request = messages.parse(pb.ExtendRuntimeMeasurementRequest, payload)
        outcome = self._agent.extend(
            request.Domain,
            request.Operation,
            request.Content,
            request.RegisterIndex if request.HasField("RegisterIndex") else None,
        )
        return pb.ExtendRuntimeMeasurementResponse(Result=_RESULTS[outcome]).SerializeToString()

    async def bind_init_data(self, payload: bytes) -> bytes:
        request = messages.parse(pb.BindInitDataRequest, payload)
        if not request.Digest:
            raise InputError("Digest", got="nothing", want="32, 48 or 64 bytes")
        self._agent.bind_init_data(request.Digest)
        return pb.BindInitDataResponse().SerializeToString()

    async def get_tee_type(self, payload: bytes) -> bytes:
        messages.parse(pb.GetTeeTypeRequest, payload)
        return pb.GetTeeTypeResponse(tee=self._agent.tee).SerializeToString()

    async def get_additional_tees(self, payload: bytes) -> bytes:
        messages.parse(pb.GetAdditionalTeesRequest, payload)
        tees = self._agent.additional_tees
        return pb.GetAdditionalTeesResponse(additional_tees=tees).SerializeToString()
