"""Key broker, attestation service and reference values as three processes (mission row E03)."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import InputError, PeerError
from casemate.net import ports
from casemate.tee.vtpm.fake import SoftwareTpm
from casemate.trustee.found import found
from casemate.trustee.kbs.remote import (
    RemoteAttestation,
    RemotePolicies,
    RemoteReferenceValues,
)
from casemate.wire.pb import attestation_pb2
from tests.trustee.site import Clock, Site, claims_of, refusal, variant
from tests.trustee.test_appraisal import MEASURED
from tests.trustee.test_server import served

grpc = pytest.importorskip("casemate.net.grpc", reason="--only needs grpcio")
foreign = pytest.importorskip("grpc", reason="--only needs grpcio")


@dataclass
class Split:
    folder: Path
    platform: CertificateAuthority
    as_port: int
    rvps_port: int


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    place = tmp_path_factory.mktemp("split")
    platform = CertificateAuthority.create("platform")
    (place / "platform.pem").write_bytes(platform.certificate_pem)
    as_port, rvps_port = ports.free(), ports.free()
    with ExitStack() as stack:
        for part, port, more in (
            ("rvps", rvps_port, {}),
            (
                "as",
                as_port,
                {
                    "PROFILE": "development",
                    "SAMPLE": "true",
                    "AK_AUTHORITIES": str(place / "platform.pem"),
                    "RVPS_ADDRESS": f"127.0.0.1:{rvps_port}",
                },
            ),
        ):
            found(place / part)
            environment = {f"{part.upper()}_PORT": str(port), **more}
            stack.enter_context(served(place / part, port, only=part, **environment))
        yield Split(place, platform, as_port, rvps_port)


@pytest.fixture
def broker(split: Split, tmp_path: Path) -> Iterator[Site]:
    from casemate.trustee.serve import Part, Trustee

    folder = tmp_path / "kbs"
    found(folder)
    clock = Clock()
    trustee = Trustee.build(
        folder / "trustee.toml",
        environment={},
        overrides={
            "as.address": f"127.0.0.1:{split.as_port}",
            "token.authorities": [str(split.folder / "as" / "ca.pem")],
            "resource_policy": "local",
        },
        clock=clock,
        only=Part.KBS,
    )
    yield Site(folder, trustee, clock, split.platform)
    trustee.close()


def test_a_secret_is_released_through_all_three(broker: Site) -> None:
    broker.put("default/key/1", b"secret")
    tpm = SoftwareTpm(broker.platform)
    client = broker.client(tpm)
    client.token()
    denied = client.get("default/key/1")
    assert variant(denied) == "PolicyDeny"
    assert "pcr11" in str(refusal(denied).claim)
    assert (
        broker.register(**{f"tpm_pcr{n:02}": [tpm.pcrs[n].hex()] for n in MEASURED}).status == 200
    )
    assert json.loads(broker.admin("GET", "reference-value/tpm_pcr11").body) == [tpm.pcrs[11].hex()]
    again = broker.client(tpm)
    vector = claims_of(again.token())["submods"]["cpu0"]["ear.trustworthiness-vector"]
    assert (vector["hardware"], vector["executables"], vector["configuration"]) == (32, 3, 2)
    assert again.secret("default/key/1").reveal() == b"secret"


def test_reasons_cross_the_processes(broker: Site) -> None:
    client = broker.client(SoftwareTpm(CertificateAuthority.create("anyone")))
    client.auth()
    answer = client.attest()
    assert answer.status == 401
    assert refusal(answer).step == "tpm.2 certificate"


def test_policies_are_set_through_the_broker(broker: Site) -> None:
    text = base64.urlsafe_b64encode(b"package policy\ntrust_claims := {}").decode().rstrip("=")
    request = {"policy_id": "default_gpu", "policy": text}
    assert broker.admin("POST", "attestation-policy", request).status == 200
    bad = {"policy_id": "default_gpu", "policy": base64.urlsafe_b64encode(b"no").decode()}
    assert broker.admin("POST", "attestation-policy", bad).status == 401
    assert broker.admin("GET", "attestation-policy").status >= 400
    assert broker.admin("GET", "reference-value").status >= 400
    assert broker.admin("POST", "reference-value", b"\xff").status == 401


def test_services_answer_upstreams_messages(split: Split) -> None:
    client = grpc.GrpcClient(f"http://127.0.0.1:{split.as_port}")
    assert client.call("grpc.health.v1.Health", "Check", b"") == b"\x08\x01"
    for request in (
        attestation_pb2.AttestationRequest(),
        attestation_pb2.AttestationRequest(
            verification_requests=[
                attestation_pb2.IndividualAttestationRequest(tee="sample", evidence="e30")
            ]
        ),
    ):
        with pytest.raises(PeerError):
            client.call(
                "attestation.AttestationService",
                "AttestationEvaluate",
                request.SerializeToString(),
            )
    for service, method in (
        ("attestation.AttestationService", "AttestationEvaluate"),
        ("attestation.AttestationService", "GetAttestationChallenge"),
        ("reference.ReferenceValueProviderService", "QueryReferenceValue"),
        ("nosuch.Service", "Nothing"),
    ):
        with pytest.raises(PeerError):
            client.call(service, method, b"\xff\xff\xff")
    raw = base64.urlsafe_b64encode(b"report data").decode().rstrip("=")
    evidence = json.dumps({"svn": "1", "report_data": base64.b64encode(b"report data").decode()})
    request = attestation_pb2.AttestationRequest(
        verification_requests=[
            attestation_pb2.IndividualAttestationRequest(
                tee="sample",
                evidence=base64.urlsafe_b64encode(evidence.encode()).decode(),
                raw_runtime_data=raw,
                init_data_digest=base64.urlsafe_b64encode(bytes(32)).decode(),
            )
        ]
    )
    answer = client.call(
        "attestation.AttestationService", "AttestationEvaluate", request.SerializeToString()
    )
    token = attestation_pb2.AttestationResponse.FromString(answer).attestation_token
    evidence_seen = claims_of(token)["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    assert evidence_seen["runtime_data_claims"] is None
    assert evidence_seen["init_data_claims"] is None
    client.close()


def test_a_part_that_does_not_answer_is_said() -> None:
    client = grpc.GrpcClient(f"127.0.0.1:{ports.free()}", timeout=1.0)
    with pytest.raises(PeerError):
        RemoteReferenceValues(client).query("x")
    for refused in (RemotePolicies(client).names, RemoteReferenceValues(client).all):
        with pytest.raises(InputError):
            refused()
    RemoteAttestation(client).require_tee("anything")
    client.close()


@pytest.mark.parametrize("value", [b"[1]", b'{"step":"\xff"}', b'{"x":' + b"[" * 5000])
def test_a_reason_that_cannot_be_read_is_a_failure_in_the_servers_words(value: bytes) -> None:
    """Of a server that is not ours: refusals of ours are made whole."""
    port = ports.free()

    def abort(_request: bytes, context: Any) -> None:
        context.set_trailing_metadata((("casemate-refusal-bin", value),))
        context.abort(foreign.StatusCode.ABORTED, "its own words")

    handlers = {"Do": foreign.unary_unary_rpc_method_handler(abort)}
    server = foreign.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((foreign.method_handlers_generic_handler("any", handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    client = grpc.GrpcClient(f"127.0.0.1:{port}")
    try:
        with pytest.raises(PeerError, match="its own words"):
            client.call("any", "Do", b"")
    finally:
        client.close()
        server.stop(None)


def test_a_policy_that_the_service_refuses_is_the_askers_mistake(split: Split) -> None:
    client = grpc.GrpcClient(f"127.0.0.1:{split.as_port}")
    with pytest.raises(InputError):
        RemotePolicies(client).set("../x", "package policy")
    client.close()
