import json
from pathlib import Path

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import base64url
from casemate.crypto.digest import Digest, sha256
from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from casemate.guest.attestation import serve
from casemate.guest.attestation.agent import AttestationAgent, Attester
from casemate.guest.attestation.measurements import Measurements
from casemate.guest.attestation.service import SERVICE, methods
from casemate.guest.attestation.settings import EventLogSettings, parse
from casemate.guest.reporting import Stations
from casemate.net.http_server import Answer
from casemate.net.ttrpc import Client, Server
from casemate.tee.sample.attester import SampleAttester
from casemate.tee.sampledevice.attester import SampleDevice
from casemate.wire import initdata
from casemate.wire.console import ConsoleEvent
from casemate.wire.pb import attestation_agent_pb2 as pb
from tests.sim import broker as sim
from tests.vectors import vector


class Registers(SampleAttester):
    """A TEE with registers, kept in memory."""

    def __init__(self) -> None:
        self.extended: list[tuple[int, bytes, bytes]] = []
        self.bound: list[Digest] = []

    @property
    def tee(self) -> str:
        return "tpm"

    @property
    def has_registers(self) -> bool:
        return True

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:
        self.extended.append((register, digest, event))

    def bind_init_data(self, digest: Digest) -> None:
        self.bound.append(digest)


def stations() -> Stations:
    events: list[ConsoleEvent] = []
    return Stations(events.append)


def agent(
    attester: Attester | None = None, text: str = "", log: Path | None = None
) -> AttestationAgent:
    document = initdata.build({"aa.toml": text}) if text else None
    tee = attester or SampleAttester()
    if log is None:
        return serve.build(tee, document, stations())
    measured = Measurements(tee, EventLogSettings(enable_eventlog=True), log=log)
    return AttestationAgent(parse(text), tee, document, stations(), measurements=measured)


async def call(served: AttestationAgent, method: str, request: Message) -> bytes:
    return await methods(served)[method](request.SerializeToString())


async def test_evidence_comes_over_the_socket(tmp_path: Path) -> None:
    server = Server(serve.services(agent()))
    await server.serve_unix(tmp_path / "aa.sock")
    async with await Client.connect_unix(tmp_path / "aa.sock") as client:
        request = pb.GetEvidenceRequest(RuntimeData=b"abc").SerializeToString()
        answer = await client.call(SERVICE, "GetEvidence", request, timeout=5)
        devices = await client.call(SERVICE, "GetAdditionalEvidence", b"", timeout=5)
        tee = await client.call(SERVICE, "GetTeeType", b"", timeout=5)
    await server.close()
    evidence = pb.GetEvidenceResponse.FromString(answer).Evidence
    assert json.loads(evidence) == {"svn": "1", "report_data": "YWJj"}
    assert pb.GetEvidenceResponse.FromString(devices).Evidence == b""
    assert pb.GetTeeTypeResponse.FromString(tee).tee == "sample"


async def test_devices_are_named_and_asked_over_the_socket() -> None:
    served = AttestationAgent(
        parse(""), SampleAttester(), None, stations(), devices=(SampleDevice(),)
    )
    named = await call(served, "GetAdditionalTees", pb.GetAdditionalTeesRequest())
    assert pb.GetAdditionalTeesResponse.FromString(named).additional_tees == ["sampledevice"]
    request = pb.GetAdditionalEvidenceRequest(RuntimeData=b"abc")
    answer = await call(served, "GetAdditionalEvidence", request)
    found = json.loads(pb.GetEvidenceResponse.FromString(answer).Evidence)
    assert found == {"sampledevice": {"svn": "2", "report_data": "YWJj"}}


async def test_tee_with_registers_that_this_kernel_lacks_measures_nothing(tmp_path: Path) -> None:
    class Old(Registers):
        @property
        def has_registers(self) -> bool:
            return False

    answer = await call(agent(Old(), log=tmp_path / "log"), "ExtendRuntimeMeasurement", event())
    found = pb.ExtendRuntimeMeasurementResponse.FromString(answer)
    assert found.Result == pb.NOT_SUPPORTED
    assert not (tmp_path / "log").exists()


async def test_token_comes_with_its_key_as_upstream_writes_it() -> None:
    pinned = sim.AUTHORITY.certificate_pem.decode()
    async with sim.running() as broker:
        text = f"[token_configs.kbs]\nurl = '{broker.url}'\ncert = '''\n{pinned}'''\n"
        served = agent(text=text)
        answer = await call(served, "GetToken", pb.GetTokenRequest(TokenType="kbs"))
        again = await call(served, "GetToken", pb.GetTokenRequest(TokenType="kbs"))
        assert broker.asked("attest") == 1
        await served.close()
    assert answer == again
    token = json.loads(pb.GetTokenResponse.FromString(answer).Token)
    assert token["token"] == sim.token()
    assert token["tee_keypair"].startswith("-----BEGIN PRIVATE KEY-----")


async def test_token_of_an_attestation_service_is_passed_through() -> None:
    pinned = sim.AUTHORITY.certificate_pem.decode()
    async with sim.running() as service:
        service.says["/attestation"] = lambda _: Answer(200, b"a.b.c")
        text = f"[token_configs.coco_as]\nurl = '{service.url}'\ncert = '''\n{pinned}'''\n"
        served = agent(text=text)
        answer = await call(served, "GetToken", pb.GetTokenRequest(TokenType="coco_as"))
        asked = json.loads(service.requests[0].body)
        service.says["/attestation"] = lambda _: Answer(400, b"no")
        with pytest.raises(PeerError):
            await call(served, "GetToken", pb.GetTokenRequest(TokenType="coco_as"))
        await served.close()
    assert pb.GetTokenResponse.FromString(answer).Token == b"a.b.c"
    evidence = base64url.decode(asked["verification_requests"][0]["evidence"])
    assert json.loads(evidence) == {"svn": "1", "report_data": ""}
    assert asked["policy_ids"] == []


async def test_rsa_key_of_a_token_is_pkcs1() -> None:
    pinned = sim.AUTHORITY.certificate_pem.decode()
    async with sim.running() as broker:
        head = f"[token_configs.kbs]\nurl = '{broker.url}'\ntee_key_algorithm = 'RSA-OAEP-256'\n"
        served = agent(text=f"{head}cert = '''\n{pinned}'''\n")
        answer = await call(served, "GetToken", pb.GetTokenRequest(TokenType="kbs"))
        await served.close()
    token = json.loads(pb.GetTokenResponse.FromString(answer).Token)
    assert token["tee_keypair"].startswith("-----BEGIN RSA PRIVATE KEY-----")


async def test_refusal_reaches_whoever_asked_over_the_socket(tmp_path: Path) -> None:
    pinned = sim.AUTHORITY.certificate_pem.decode()
    async with sim.running(sim.STRANGER) as broker:
        text = f"[token_configs.kbs]\nurl = '{broker.url}'\ncert = '''\n{pinned}'''\n"
        served = agent(text=text)
        server = Server(serve.services(served))
        await server.serve_unix(tmp_path / "aa.sock")
        async with await Client.connect_unix(tmp_path / "aa.sock") as client:
            request = pb.GetTokenRequest(TokenType="kbs").SerializeToString()
            with pytest.raises(VerificationError) as caught:
                await client.call(SERVICE, "GetToken", request, timeout=20)
        await server.close()
        await served.close()
    assert caught.value.refusal.step == "attest"
    assert "another authority" in caught.value.refusal.got


@pytest.mark.parametrize("kind", ["", "other", "coco_as", "kbs"])
async def test_token_that_is_not_configured_is_an_error(kind: str) -> None:
    with pytest.raises(InputError):
        await call(agent(), "GetToken", pb.GetTokenRequest(TokenType=kind))


@pytest.mark.parametrize("url", ["http://10.0.2.2:1", "https://10.0.2.2:1", "ftp://x"])
async def test_broker_without_tls_or_anchor_is_not_asked(url: str) -> None:
    served = agent(text=f"[token_configs.kbs]\nurl = '{url}'\n")
    with pytest.raises(InputError):
        await call(served, "GetToken", pb.GetTokenRequest(TokenType="kbs"))


def event(**more: int) -> pb.ExtendRuntimeMeasurementRequest:
    return pb.ExtendRuntimeMeasurementRequest(
        Domain="domain", Operation="operation", Content="content", RegisterIndex=more.get("index")
    )


async def test_measurement_extends_and_logs_upstreams_bytes(tmp_path: Path) -> None:
    rows = json.loads(vector("guest", "tables", "aael.json").read_text())
    row = next(row for row in rows if row["alg"] == "sha256")
    registers = Registers()
    served = agent(registers, log=tmp_path / "eventlog")
    answer = await call(served, "ExtendRuntimeMeasurement", event(index=2))
    assert pb.ExtendRuntimeMeasurementResponse.FromString(answer).Result == pb.OK
    digest, tagged = bytes.fromhex(row["digest"]), bytes.fromhex(row["tagged_event_hex"])
    assert registers.extended == [(2, digest, tagged)]
    assert (tmp_path / "eventlog").read_bytes().hex() == row["entry_hex_mr2"]
    await call(served, "ExtendRuntimeMeasurement", event())
    assert registers.extended[1][0] == 17


async def test_measurement_is_off_by_default_and_needs_registers(tmp_path: Path) -> None:
    async def result(served: AttestationAgent) -> int:
        answer = await call(served, "ExtendRuntimeMeasurement", event())
        return pb.ExtendRuntimeMeasurementResponse.FromString(answer).Result

    assert await result(agent(Registers())) == pb.NOT_ENABLED
    assert await result(agent(log=tmp_path / "log")) == pb.NOT_SUPPORTED


@pytest.mark.parametrize(
    "request_",
    [
        event(index=24),
        pb.ExtendRuntimeMeasurementRequest(Domain="d", Operation="o", Content="a\nb"),
        pb.ExtendRuntimeMeasurementRequest(Domain="d o", Operation="o", Content="a"),
    ],
)
async def test_events_that_could_be_misread_are_refused(request_: Message, tmp_path: Path) -> None:
    registers = Registers()
    with pytest.raises(InputError):
        await call(agent(registers, log=tmp_path / "l"), "ExtendRuntimeMeasurement", request_)
    assert registers.extended == []


async def test_initdata_is_bound_once() -> None:
    registers = Registers()
    served = agent(registers)
    digest = sha256(b"one")
    for _ in range(2):
        await call(served, "BindInitData", pb.BindInitDataRequest(Digest=digest.value))
    assert registers.bound == [digest]
    with pytest.raises(VerificationError):
        await call(served, "BindInitData", pb.BindInitDataRequest(Digest=sha256(b"two").value))
    with pytest.raises(InputError):
        await call(agent(registers), "BindInitData", pb.BindInitDataRequest(Digest=b"short"))


async def test_initdata_bound_by_init_is_not_bound_again() -> None:
    registers = Registers()
    served = agent(registers, text="[log]\n")
    bound = initdata.build({"aa.toml": "[log]\n"}).digest.value
    await call(served, "BindInitData", pb.BindInitDataRequest(Digest=bound))
    assert registers.bound == []


@settings(max_examples=50)
@given(st.binary(max_size=64))
async def test_any_bytes_to_any_method_raise_only_our_errors(payload: bytes) -> None:
    for method in methods(agent()).values():
        try:
            await method(payload)
        except CasemateError:
            continue
