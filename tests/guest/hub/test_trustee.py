import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import VerificationError
from casemate.guest.attestation import serve as agents
from casemate.guest.hub import serve as hubs
from casemate.guest.hub import settings as hub_settings
from casemate.guest.hub.names import RESOURCES
from casemate.guest.reporting import Stations
from casemate.net.ttrpc import Client, Server
from casemate.tee.attesters import Attester
from casemate.tee.sample.attester import SampleAttester
from casemate.tee.vtpm.attester import TpmAttester
from casemate.wire import initdata
from casemate.wire.console import ConsoleEvent, EventKind
from casemate.wire.eventlog import EventLog
from casemate.wire.pb import confidential_data_hub_pb2 as pb
from casemate.wire.resource_uri import ResourceUri
from casemate.wire.tpm import ALG_SHA256
from tests.sim import trustee as sim
from tests.sim.swtpm import booted, manufactured, require_swtpm

URI = ResourceUri.parse("kbs:///default/secret/one")


@dataclass
class Guest:
    hub: hubs.Hub
    events: list[ConsoleEvent]

    @property
    def refusals(self) -> list[str]:
        return [e.refusal.claim for e in self.events if e.refusal is not None]


@asynccontextmanager
async def guest(
    trustee: sim.RunningTrustee, authority: str = "", attester: Attester | None = None
) -> AsyncIterator[Guest]:
    cert = authority or trustee.authority
    kbs = {"url": trustee.url, "cert": cert}
    kbc = {"name": "cc_kbc", "url": trustee.url, "kbs_cert": cert}
    data = initdata.build(
        {
            "aa.toml": tomli_w.dumps({"token_configs": {"kbs": kbs}}),
            "cdh.toml": tomli_w.dumps({"kbc": kbc}),
        }
    )
    events: list[ConsoleEvent] = []
    stations = Stations(events.append)
    tee = attester or SampleAttester()
    tee.bind_init_data(data.digest)
    agent = agents.build(tee, data, stations)
    hub = hubs.build(agent, hub_settings.of(data), stations)
    try:
        yield Guest(hub, events)
    finally:
        await agent.close()


async def test_right_guest_gets_the_secret(tmp_path: Path) -> None:
    async with sim.running(tmp_path / "trustee") as trustee, guest(trustee) as pod:
        trustee.put("default/secret/one", b"shh")
        assert (await pod.hub.resources.get(URI)).reveal() == b"shh"
        found = await asyncio.gather(*(pod.hub.resources.get(URI) for _ in range(4)))
        assert {one.reveal() for one in found} == {b"shh"}
    attested = [e for e in pod.events if e.station == "attest" and e.kind is EventKind.BEGIN]
    assert len(attested) == 1


async def test_denied_guest_is_told_which_rule_and_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "trustee"
    async with sim.running(folder, policy="production") as trustee, guest(trustee) as pod:
        trustee.put("default/secret/one", b"shh")
        with pytest.raises(VerificationError) as caught:
            await pod.hub.resources.get(URI)
    refusal = caught.value.refusal
    assert refusal.step == "release"
    assert "default_cpu: hardware" in refusal.rule
    assert "sample" in refusal.got
    assert refusal.remedy
    assert pod.refusals == [refusal.claim]


async def test_missing_secret_is_told_by_its_path(tmp_path: Path) -> None:
    async with sim.running(tmp_path / "trustee") as trustee, guest(trustee) as pod:
        with pytest.raises(VerificationError) as caught:
            await pod.hub.resources.get(URI)
    assert caught.value.refusal.claim == "resource/default/secret/one"


async def test_trustee_that_does_not_listen_to_the_tee_refuses_at_attest(tmp_path: Path) -> None:
    folder = tmp_path / "trustee"
    async with sim.running(folder, sample=False) as trustee, guest(trustee) as pod:
        trustee.put("default/secret/one", b"shh")
        with pytest.raises(VerificationError) as caught:
            await pod.hub.resources.get(URI)
    assert "sample" in str(caught.value)


async def test_wrong_authority_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    wrong = CertificateAuthority.create("authority of a stranger").certificate_pem.decode()
    async with sim.running(tmp_path / "trustee") as trustee, guest(trustee, wrong) as pod:
        trustee.put("default/secret/one", b"shh")
        with pytest.raises(VerificationError) as caught:
            await pod.hub.resources.get(URI)
    refusal = caught.value.refusal
    assert refusal.step == "attest"
    assert "Casemate Trustee" in refusal.got
    assert "authority of a stranger" in refusal.expected


async def test_token_that_ended_is_replaced(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"token.lifetime": 1}
    async with sim.running(tmp_path / "t", **settings) as trustee, guest(trustee) as pod:
        trustee.put("default/secret/one", b"shh")
        await pod.hub.resources.get(URI)
        await asyncio.sleep(1.1)
        assert (await pod.hub.resources.get(URI)).reveal() == b"shh"
    attested = [e for e in pod.events if e.station == "attest" and e.kind is EventKind.BEGIN]
    assert len(attested) == 2


@contextmanager
def vtpm(folder: Path, platform: CertificateAuthority) -> Iterator[TpmAttester]:
    require_swtpm()
    manufactured(folder, platform)
    with booted(folder) as transport:
        yield TpmAttester(transport, event_log=EventLog(((ALG_SHA256, 32),), ()).encode())


async def test_certified_tpm_gets_the_secret_and_anybodys_does_not(tmp_path: Path) -> None:
    platform = CertificateAuthority.create("platform")
    (tmp_path / "platform.pem").write_bytes(platform.certificate_pem)
    settings: dict[str, Any] = {"ak_authorities": [str(tmp_path / "platform.pem")]}
    async with sim.running(tmp_path / "trustee", **settings) as trustee:
        trustee.put("default/secret/one", b"shh")
        with vtpm(tmp_path / "tpm", platform) as tpm:
            async with guest(trustee, attester=tpm) as pod:
                assert (await pod.hub.resources.get(URI)).reveal() == b"shh"
        with vtpm(tmp_path / "other", CertificateAuthority.create("platform")) as tpm:
            async with guest(trustee, attester=tpm) as pod:
                with pytest.raises(VerificationError) as caught:
                    await pod.hub.resources.get(URI)
    assert caught.value.refusal.step == "tpm.2 certificate"


async def test_local_policy_names_the_register_that_is_not_expected(tmp_path: Path) -> None:
    platform = CertificateAuthority.create("platform")
    (tmp_path / "platform.pem").write_bytes(platform.certificate_pem)
    settings: dict[str, Any] = {"ak_authorities": [str(tmp_path / "platform.pem")]}
    async with sim.running(tmp_path / "trustee", policy="local", **settings) as trustee:
        trustee.put("default/secret/one", b"shh")
        with vtpm(tmp_path / "tpm", platform) as tpm:
            async with guest(trustee, attester=tpm) as pod:
                with pytest.raises(VerificationError) as caught:
                    await pod.hub.resources.get(URI)
    assert "pcr11" in caught.value.refusal.claim
    assert caught.value.refusal.remedy


async def test_reason_of_a_denial_crosses_the_hubs_socket_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / "trustee"
    async with sim.running(folder, policy="production") as trustee, guest(trustee) as pod:
        trustee.put("default/secret/one", b"shh")
        with pytest.raises(VerificationError) as direct:
            await pod.hub.resources.get(URI)
        server = Server(pod.hub.services())
        await server.serve_unix(tmp_path / "cdh.sock")
        async with await Client.connect_unix(tmp_path / "cdh.sock") as client:
            request = pb.GetResourceRequest(ResourcePath=str(URI)).SerializeToString()
            with pytest.raises(VerificationError) as caught:
                await client.call(RESOURCES, "GetResource", request, timeout=20)
        await server.close()
    assert caught.value.refusal == direct.value.refusal
