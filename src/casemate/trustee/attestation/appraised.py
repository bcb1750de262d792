"""What one piece of evidence is verified against, whichever door it came through (§3, §10.1)."""

from typing import Any, Final

import msgspec
import rfc8785

from casemate.crypto import base64url
from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import MALFORMED_JSON, InputError
from casemate.tee.evidence import Answer, Challenge
from casemate.tee.material import Material
from casemate.tee.verifiers import report_data_algorithm
from casemate.trustee.attestation import init_data
from casemate.wire.initdata import Initdata
from casemate.wire.initdata import parse as parse_initdata
from casemate.wire.kbs import Attestation, device_report_data, report_data
from casemate.wire.pb import attestation_pb2 as pb

_MOST: Final = 17
"""The primary TEE and sixteen devices."""


class Appraised(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence (JSON), what it must be bound to, and the claims that a policy sees of both."""

    tee: str
    evidence: bytes
    report_data: bytes
    runtime_data_claims: Any = None
    init_data: Digest | None = None
    init_data_claims: Any = None
    challenge: Challenge = Challenge(text="", session="")
    """What the guest was given to answer; empty where the caller did not say."""
    collateral: Material = Material()
    """What was gathered for it: nothing unless somebody took the time before."""
    answer: Answer | None = None
    """What a service said of it that was asked before."""


def requests(tee: str, attestation: Attestation, session: str = "") -> pb.AttestationRequest:
    """Split an attestation of the handshake into requests, the primary TEE's first (§3.4).

    Raises:
        InputError: initdata in another form than TOML, or unreadable devices.
    """
    evidence, runtime = attestation.tee_evidence, attestation.runtime_data
    bound = {"nonce": runtime.nonce, "tee-pubkey": runtime.tee_pubkey}
    whole = bound | {"additional-evidence": evidence.additional_evidence}
    algorithm = report_data_algorithm(tee)
    primary = _request(tee, evidence.primary_evidence, whole, algorithm, session)
    if attestation.init_data is not None:
        init_data.require_toml(attestation.init_data.format)
        primary.init_data_toml = attestation.init_data.body
    devices = _devices(evidence.additional_evidence)
    return pb.AttestationRequest(
        verification_requests=[
            primary,
            *(_request(t, e, bound, algorithm, session) for t, e in devices.items()),
        ],
        policy_ids=["default"],
    )


def of_attestation(tee: str, attestation: Attestation, session: str = "") -> list[Appraised]:
    """Take an attestation of the handshake as it is: what ``parse_all(requests(...))`` gives.

    Raises: as ``requests``.
    """
    evidence, runtime = attestation.tee_evidence, attestation.runtime_data
    key = msgspec.to_builtins(runtime.tee_pubkey)
    bound = {"nonce": runtime.nonce, "tee-pubkey": key}
    initdata = _initdata(attestation)
    algorithm = report_data_algorithm(tee)
    challenge = Challenge(text=runtime.nonce, session=session)
    primary = Appraised(
        tee=tee,
        evidence=bytes(evidence.primary_evidence),
        report_data=report_data(runtime, evidence.additional_evidence, algorithm).value,
        runtime_data_claims=bound | {"additional-evidence": evidence.additional_evidence},
        init_data=None if initdata is None else initdata.digest,
        init_data_claims=None if initdata is None else init_data.claims(initdata),
        challenge=challenge,
    )
    digest = device_report_data(runtime, algorithm).value
    devices = _devices(evidence.additional_evidence).items()
    return [
        primary,
        *(
            Appraised(
                tee=device,
                evidence=bytes(text),
                report_data=digest,
                runtime_data_claims=bound,
                challenge=challenge,
            )
            for device, text in devices
        ),
    ]


def parse(request: pb.IndividualAttestationRequest) -> Appraised:
    """Read one request. Unlike upstream, runtime data must be there: no freshness, no token.

    Raises:
        InputError: a member cannot be read.
    """
    algorithm = Algorithm.parse(request.runtime_data_hash_algorithm or "sha384")
    claims, bound = _runtime_data(request, algorithm)
    initdata, digest = _init_data(request)
    return Appraised(
        tee=request.tee,
        evidence=base64url.decode(request.evidence.rstrip("="), where="evidence"),
        report_data=bound,
        runtime_data_claims=claims,
        init_data=digest,
        init_data_claims=None if initdata is None else init_data.claims(initdata),
        challenge=_challenge(claims, request.session),
    )


def parse_all(request: pb.AttestationRequest) -> list[Appraised]:
    """Read every request; InputError when there are too many or one cannot be read."""
    if len(request.verification_requests) > _MOST:
        raise InputError(
            "verification_requests", got=len(request.verification_requests), want=f"at most {_MOST}"
        )
    return [parse(one) for one in request.verification_requests]


def _challenge(claims: Any, session: str) -> Challenge:
    nonce = claims.get("nonce") if isinstance(claims, dict) else None
    return Challenge(text=nonce if isinstance(nonce, str) else "", session=session)


def _initdata(attestation: Attestation) -> Initdata | None:
    field = attestation.init_data
    if field is None:
        return None
    init_data.require_toml(field.format)
    return parse_initdata(field.body.encode())


def _request(
    tee: str,
    evidence: msgspec.Raw,
    runtime: dict[str, Any],
    algorithm: Algorithm,
    session: str,
) -> pb.IndividualAttestationRequest:
    return pb.IndividualAttestationRequest(
        tee=tee,
        evidence=base64url.encode(bytes(evidence)),
        structured_runtime_data=msgspec.json.encode(runtime, order="sorted").decode(),
        runtime_data_hash_algorithm=algorithm.value,
        session=session,
    )


def _runtime_data(
    request: pb.IndividualAttestationRequest, algorithm: Algorithm
) -> tuple[Any, bytes]:
    match request.WhichOneof("runtime_data"):
        case "raw_runtime_data":
            return None, base64url.decode(
                request.raw_runtime_data.rstrip("="), where="runtime data"
            )
        case "structured_runtime_data":
            try:
                claims = msgspec.json.decode(request.structured_runtime_data)
                canonical = rfc8785.dumps(claims)
            except (rfc8785.CanonicalizationError, *MALFORMED_JSON) as error:
                raise InputError("runtime data", got=error, want="JSON", spec="§10.1") from error
            return claims, Digest.of(canonical, algorithm).value
        case _:
            raise InputError("runtime data", got="none", want="raw or structured", spec="§10.1")


def _init_data(
    request: pb.IndividualAttestationRequest,
) -> tuple[Initdata | None, Digest | None]:
    match request.WhichOneof("init_data"):
        case "init_data_toml":
            initdata = parse_initdata(request.init_data_toml.encode())
            return initdata, initdata.digest
        case "init_data_digest":
            value = base64url.decode(request.init_data_digest.rstrip("="), where="initdata digest")
            sizes = {algorithm.size: algorithm for algorithm in Algorithm}
            if len(value) not in sizes:
                raise InputError("initdata digest", got=f"{len(value)} bytes", want="32, 48 or 64")
            return None, Digest(sizes[len(value)], value)
        case _:
            return None, None


def _devices(additional: str) -> dict[str, msgspec.Raw]:
    if not additional:
        return {}
    try:
        devices = msgspec.json.decode(additional, type=dict[str, msgspec.Raw])
    except MALFORMED_JSON as error:
        raise InputError(
            "additional_evidence", got=error, want="a JSON map of TEE to evidence", spec="§3.3"
        ) from error
    if len(devices) >= _MOST:
        raise InputError("additional_evidence", got=len(devices), want=f"fewer than {_MOST}")
    return devices
