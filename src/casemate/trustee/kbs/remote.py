"""An attestation service in another process, over upstream's gRPC (trustee spec §10.1, §13.1)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import msgspec
from google.protobuf.message import DecodeError

from casemate.crypto import base64url
from casemate.errors import MALFORMED_JSON, InputError, PeerError
from casemate.net.grpc import GrpcClient
from casemate.tee.verifiers import challenge_maker
from casemate.trustee.attestation.appraised import requests
from casemate.wire.kbs import Attestation
from casemate.wire.pb import attestation_pb2, reference_pb2

ATTESTATION: Final = "attestation.AttestationService"
REFERENCE: Final = "reference.ReferenceValueProviderService"


class RemoteAttestation:
    """Asks another process for verdicts. It alone knows which TEEs it listens to."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client

    def require_tee(self, tee: str) -> None:
        """Leave it to the service, which refuses at ``attest``."""

    def challenge(self, tee: str, session: str) -> str | None:
        """Ask for the challenge of a TEE that has its own; VerificationError or PeerError."""
        if challenge_maker(tee) is None:
            return None
        request = attestation_pb2.ChallengeRequest(
            inner={"tee": tee, "tee_params": "", "session": session}
        )
        answer = self._client.call(
            ATTESTATION, "GetAttestationChallenge", request.SerializeToString()
        )
        try:
            return attestation_pb2.ChallengeResponse.FromString(answer).attestation_challenge
        except DecodeError as error:
            raise PeerError("attestation service", got=error, want="a challenge") from error

    async def prepare(self, tee: str, attestation: Attestation, session: str) -> Callable[[], str]:
        """Ask, in a thread: the service may wait for a vendor, and others wait for this process.

        Raises: as ``attest``.
        """
        token = await asyncio.to_thread(self.attest, tee, attestation, session)
        return lambda: token

    def attest(self, tee: str, attestation: Attestation, session: str) -> str:
        """Give the token; VerificationError or PeerError when there is none."""
        request = requests(tee, attestation, session).SerializeToString()
        answer = self._client.call(ATTESTATION, "AttestationEvaluate", request)
        try:
            return attestation_pb2.AttestationResponse.FromString(answer).attestation_token
        except DecodeError as error:
            raise PeerError("attestation service", got=error, want="a token") from error


class RemotePolicies:
    """Sets policies of another process; upstream's interface cannot show them."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client

    def set(self, name: str, text: str) -> None:
        """Put a policy in force; InputError when it is refused."""
        policy = base64url.encode(text.encode())
        request = attestation_pb2.SetPolicyRequest(policy_id=name, policy=policy)
        try:
            self._client.call(ATTESTATION, "SetAttestationPolicy", request.SerializeToString())
        except PeerError as error:
            raise InputError("attestation policy", got=error.got, want="one it takes") from error

    def get(self, name: str) -> str | None:
        """Refuse."""
        _not_offered(f"policy {name}")

    def names(self) -> list[str]:
        """Refuse."""
        _not_offered("list of policies")


class RemoteReferenceValues:
    """Registers and asks for values of another process; upstream's interface can do no more."""

    def __init__(self, client: GrpcClient) -> None:
        self._client = client

    def register(self, message: bytes) -> None:
        """Hand a message on; InputError when it is refused."""
        try:
            request = reference_pb2.ReferenceValueRegisterRequest(message=message.decode())
            self._client.call(REFERENCE, "RegisterReferenceValue", request.SerializeToString())
        except (PeerError, UnicodeDecodeError) as error:
            raise InputError("reference values", got=error, want="a message it takes") from error

    def query(self, name: str) -> Any:
        """Give a value, or None."""
        request = reference_pb2.ReferenceValueQueryRequest(reference_value_id=name)
        answer = self._client.call(REFERENCE, "QueryReferenceValue", request.SerializeToString())
        try:
            found = reference_pb2.ReferenceValueQueryResponse.FromString(answer)
            if not found.HasField("reference_value_results"):
                return None
            return msgspec.json.decode(found.reference_value_results)
        except (DecodeError, *MALFORMED_JSON) as error:
            raise PeerError("reference value provider", got=error, want="JSON") from error

    def delete(self, name: str) -> bool:
        """Refuse."""
        _not_offered(f"removal of {name}")

    def all(self) -> Mapping[str, Any]:
        """Refuse."""
        _not_offered("list of reference values")


def _not_offered(what: str) -> NoReturn:
    raise InputError(
        what,
        got="a service in another process",
        want="one in this process",
        spec="trustee spec §10.1, §13.1",
        remedy="Ask on the machine where that service runs.",
    )
