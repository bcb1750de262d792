import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w

from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from casemate.guest.attestation import serve as agents
from casemate.guest.hub import serve as hubs
from casemate.guest.hub import settings as hub_settings
from casemate.guest.reporting import Stations
from casemate.net.http import HttpClient
from casemate.net.http_server import Answer
from casemate.oci.layout import Layout
from casemate.oci.pull import PulledImage
from casemate.oci.reference import Reference
from casemate.oci.registry import Registry
from casemate.tee.sample.attester import SampleAttester
from casemate.trace import Station
from casemate.wire import initdata
from casemate.wire.console import ConsoleEvent, EventKind
from casemate.workload import application, publish
from casemate.workload.encryption import WrappingKey, encrypt_image
from tests.sim import broker as sim
from tests.sim.registry import RunningRegistry, registry

pytestmark = pytest.mark.root  # unpacking keeps owners

NAME = "registry.test/demo/app:1"
KEK = WrappingKey.create("kbs:///default/image-key/1")
SIGNER = PrivateKey.generate(Kind.P256)
STRANGER = PrivateKey.generate(Kind.P256)


@dataclass(frozen=True)
class Shelf:
    """A registry with one encrypted, signed image."""

    registry: RunningRegistry
    encrypted: str
    """Digest of the encrypted layer."""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("images")
    plain = Layout.create(folder / "plain")
    sealed = Layout.create(folder / "sealed")
    data = folder / "registry"
    data.mkdir()
    with registry(data) as running:
        yield Shelf(running, asyncio.run(_publish(plain, sealed, running)))


async def _publish(plain: Layout, sealed: Layout, running: RunningRegistry) -> str:
    entry = application.build(plain)
    manifest = await encrypt_image(plain, entry, into=sealed, name="demo", wrapping=KEK)
    async with HttpClient(anchors_pem=running.anchors_pem) as http:
        for repository, signer in (("app", SIGNER), ("strange", STRANGER), ("unsigned", None)):
            reference = Reference.parse(f"{running.host}/demo/{repository}:1")
            there = Registry(http, reference)
            pushed = await publish.push(sealed, sealed.entry("demo"), there, reference, print)
            if signer is not None:
                named = Reference.parse(f"registry.test/demo/{repository}:1")
                await publish.sign(there, named, pushed.digest, signer)
    return manifest.layers[1].digest


POLICY = {
    "default": [{"type": "reject"}],
    "transports": {
        "docker": {
            "registry.test": [{"type": "sigstoreSigned", "keyPath": "kbs:///default/cosign/key"}]
        }
    },
}


def cdh(broker: sim.Broker, shelf: Shelf, work: Path, **image: object) -> str:
    settings = {
        "kbc": {
            "name": "cc_kbc",
            "url": broker.url,
            "kbs_cert": sim.AUTHORITY.certificate_pem.decode(),
        },
        "image": {
            "work_dir": str(work),
            "image_security_policy_uri": "kbs:///default/security-policy/test",
            "extra_root_certificates": [shelf.registry.anchors_pem],
            "registry_config": {
                "registry": [{"prefix": "registry.test", "location": shelf.registry.host}]
            },
            **image,
        },
    }
    return tomli_w.dumps(settings)


@dataclass
class Guest:
    """A hub with its broker and what it reported."""

    hub: hubs.Hub
    broker: sim.Broker
    events: list[ConsoleEvent]
    bundles: Path

    async def pull(self, name: str = NAME, container: str = "c1") -> PulledImage:
        return await self.hub.images.pull(name, self.bundles / container)

    def asked(self, uri: str) -> int:
        return self.broker.asked(f"resource/{uri}")


@asynccontextmanager
async def guest(shelf: Shelf, tmp_path: Path, **image: object) -> AsyncIterator[Guest]:
    resources = {
        "default/security-policy/test": json.dumps(POLICY).encode(),
        "default/cosign/key": SIGNER.public.pem(),
        "default/image-key/1": KEK.key.reveal(),
    }
    events: list[ConsoleEvent] = []
    stations = Stations(events.append)
    async with sim.running() as broker:
        for path, content in resources.items():
            broker.says[f"resource/{path}"] = _sealed(broker, content)
        pinned = {"url": broker.url, "cert": sim.AUTHORITY.certificate_pem.decode()}
        aa = tomli_w.dumps({"token_configs": {"kbs": pinned}})
        documents = {"aa.toml": aa, "cdh.toml": cdh(broker, shelf, tmp_path / "work", **image)}
        data = initdata.build(documents)
        agent = agents.build(SampleAttester(), data, stations)
        hub = hubs.build(agent, hub_settings.of(data), stations, show=_link)
        try:
            yield Guest(hub, broker, events, tmp_path / "bundles")
        finally:
            await agent.close()


def _sealed(broker: sim.Broker, content: bytes) -> sim.Say:
    return lambda _: broker.sealed(content)


def _link(tree: Path, place: Path) -> None:
    place.symlink_to(tree)


async def test_signed_and_encrypted_image_is_there_with_its_process(
    shelf: Shelf, tmp_path: Path
) -> None:
    async with guest(shelf, tmp_path) as pod:
        image = await pod.pull()
        assert pod.asked("default/image-key/1") == 1
    assert [layer.encrypted for layer in image.layers] == [True, True]
    assert "kbs:///default/cosign/key" in image.signed_by[0]
    root = pod.bundles / "c1" / "rootfs"
    assert (root / "app" / "main").read_bytes().startswith(b"#!/bin/sh")
    assert root.resolve().is_relative_to(tmp_path / "work")
    document = json.loads((pod.bundles / "c1" / "config.json").read_text())
    assert document["process"]["args"] == ["/app/main"]
    assert document["process"]["user"]["username"] == "65534:65534"
    assert document["hostname"] == "image-rs"


async def test_several_pulls_at_once_fetch_the_settings_once(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path) as pod:
        await asyncio.gather(*(pod.pull(container=f"c{n}") for n in range(3)))
        assert pod.broker.asked("attest") == 1
        assert pod.asked("default/security-policy/test") == 1
        assert pod.asked("default/cosign/key") == 1
    assert all((pod.bundles / f"c{n}" / "rootfs" / "app").is_dir() for n in range(3))


async def test_stations_tell_the_road_of_a_pull(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path) as pod:
        await pod.pull()
    begun = [event.station for event in pod.events if event.kind is EventKind.BEGIN]
    assert begun[0] is Station.PULL
    assert set(begun) == {Station.PULL, Station.RELEASE, Station.ATTEST}
    ended = [event.station for event in pod.events if event.kind is EventKind.END]
    assert sorted(begun) == sorted(ended)


@pytest.mark.parametrize(
    ("name", "why"), [("strange", "another key"), ("unsigned", "no signature")]
)
async def test_no_key_is_asked_for_before_the_signature_is_right(
    name: str, why: str, shelf: Shelf, tmp_path: Path
) -> None:
    async with guest(shelf, tmp_path) as pod:
        with pytest.raises(VerificationError) as caught:
            await pod.pull(f"registry.test/demo/{name}:1")
        assert pod.asked("default/image-key/1") == 0
    assert why in caught.value.refusal.got
    told = [event.refusal for event in pod.events if event.kind is EventKind.REFUSED]
    assert told == [caught.value.refusal]
    assert not (pod.bundles / "c1").exists()


async def test_image_outside_the_policy_is_rejected(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path) as pod:
        with pytest.raises(VerificationError, match="rejects"):
            await pod.pull(f"{shelf.registry.host}/demo/app:1")


async def test_key_refused_by_the_broker_stops_the_pull_with_its_reason(
    shelf: Shelf, tmp_path: Path
) -> None:
    async with guest(shelf, tmp_path) as pod:
        members = {"type": "t", "detail": "d", "claim": "cpu0", "rule": "affirming"}
        pod.broker.says["resource/default/image-key/1"] = lambda _: sim.answer(members, 401)
        with pytest.raises(VerificationError) as caught:
            await pod.pull()
    assert (caught.value.refusal.claim, caught.value.refusal.rule) == ("cpu0", "affirming")
    assert not list((tmp_path / "work").rglob("main"))


async def test_wrong_key_does_not_open_the_layer(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path) as pod:
        pod.broker.says["resource/default/image-key/1"] = _sealed(pod.broker, bytes(32))
        with pytest.raises(CasemateError):
            await pod.pull()


async def test_policy_that_cannot_be_had_stops_every_pull(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path) as pod:
        says = pod.broker.says
        policy = says.pop("resource/default/security-policy/test")
        with pytest.raises(VerificationError):
            await pod.pull()
        says["resource/default/security-policy/test"] = policy
        await pod.pull()


async def test_bundle_is_filled_once(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path) as pod:
        await pod.pull()
        with pytest.raises(InputError):
            await pod.pull()


async def test_tree_of_a_container_that_is_gone_goes_too(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path) as pod:
        await pod.pull()
        pod.hub.images.drop(pod.bundles / "c1")
    assert not any((tmp_path / "work").iterdir())


async def test_registry_of_an_unknown_authority_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path, extra_root_certificates=[]) as pod:
        with pytest.raises(VerificationError) as caught:
            await pod.pull()
    assert caught.value.refusal.step == "tls"


async def test_absent_image_is_the_peers_failure(shelf: Shelf, tmp_path: Path) -> None:
    async with guest(shelf, tmp_path) as pod:
        with pytest.raises(PeerError):
            await pod.pull("registry.test/demo/absent:1")


async def test_proxy_is_refused_rather_than_passed_over(shelf: Shelf, tmp_path: Path) -> None:
    proxy = {"https_proxy": "http://10.0.0.1:3128"}
    async with guest(shelf, tmp_path, image_pull_proxy=proxy) as pod:
        with pytest.raises(InputError, match="proxy"):
            await pod.pull()


async def test_layer_changed_in_the_registry_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    blob = shelf.registry.blob(shelf.encrypted)
    original = blob.read_bytes()
    blob.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    try:
        async with guest(shelf, tmp_path) as pod:
            with pytest.raises(VerificationError):
                await pod.pull()
    finally:
        blob.write_bytes(original)
    assert not (pod.bundles / "c1").exists()


async def test_refusal_while_preparing_is_reported_but_does_not_end_the_guest(
    shelf: Shelf, tmp_path: Path
) -> None:
    async with guest(shelf, tmp_path) as pod:
        refused = {"type": "t", "detail": "not measured"}
        pod.broker.says["attest"] = lambda _: Answer(401, json.dumps(refused).encode())
        await pod.hub.prepare()
    told = [event.refusal for event in pod.events if event.kind is EventKind.REFUSED]
    assert len(told) == 1
    assert told[0] is not None
    assert told[0].got == "not measured"
