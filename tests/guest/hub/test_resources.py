import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from casemate.errors import HostError, InputError, PeerError, VerificationError
from casemate.guest.attestation.handshake import Handshake
from casemate.guest.attestation.passports import Passports
from casemate.guest.attestation.rcar import Passport
from casemate.guest.broker import Broker
from casemate.guest.hub.resources import BrokeredResources, FileResources, NoResources
from casemate.guest.reporting import Stations
from casemate.net.http_server import Answer, Request
from casemate.tee.sample.attester import SampleAttester
from casemate.wire.console import ConsoleEvent, EventKind
from casemate.wire.resource_uri import ResourceUri
from tests.sim import broker as sim

URI = ResourceUri.parse("kbs:///default/secret/one")
PATH = "resource/default/secret/one"


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


class Office:
    """An attestation agent with nothing but passports."""

    def __init__(self, passports: Passports) -> None:
        self._passports = passports

    async def passport(self) -> Passport:
        return await self._passports.get()

    def drop(self, passport: Passport) -> None:
        self._passports.drop(passport)


@asynccontextmanager
async def resources(
    broker: sim.Broker, events: list[ConsoleEvent] | None = None
) -> AsyncIterator[BrokeredResources]:
    pinned = sim.AUTHORITY.certificate_pem.decode()
    connection = Broker(broker.url, pinned, pinned_in="cdh.toml", sleep=no_pause)
    stations = Stations((events if events is not None else []).append)
    handshake = Handshake(connection, SampleAttester(), stations)
    office = Office(Passports(handshake.attest))
    try:
        yield BrokeredResources(connection, office, stations)
    finally:
        await connection.close()


async def test_resource_is_opened_with_the_key_that_attested() -> None:
    async with sim.running() as broker, resources(broker) as source:
        broker.says[PATH] = lambda _: broker.sealed(b"shh")
        assert (await source.get(URI)).reveal() == b"shh"
        sent = broker.requests[-1]
    assert sent.method == "GET"


async def test_many_resources_cost_one_attestation() -> None:
    async with sim.running() as broker, resources(broker) as source:
        broker.says[PATH] = lambda _: broker.sealed(b"shh")
        await asyncio.gather(*(source.get(URI) for _ in range(5)))
        assert (broker.asked("attest"), broker.asked(PATH)) == (1, 5)


async def test_denied_by_policy_is_told_with_its_reason_and_not_tried_again() -> None:
    events: list[ConsoleEvent] = []
    async with sim.running() as broker, resources(broker, events) as source:
        members = {"step": "release", "claim": "cpu0", "got": "warning", "expected": "affirming"}
        more = {"rule": "allow", "remedy": "Measure.", "type": "t", "detail": "d"}
        broker.says[PATH] = lambda _: sim.answer(members | more, 401)
        with pytest.raises(VerificationError) as caught:
            await source.get(URI)
        assert (broker.asked("attest"), broker.asked(PATH)) == (1, 1)
    assert caught.value.refusal.claim == "cpu0"
    assert caught.value.refusal.rule == "allow"
    told = [event for event in events if event.kind is EventKind.REFUSED]
    assert [event.refusal for event in told] == [caught.value.refusal]


async def test_old_token_is_replaced_once_and_the_resource_comes() -> None:
    async with sim.running() as broker, resources(broker) as source:

        def says(_: Request) -> Answer:
            if broker.asked(PATH) == 2:
                return sim.answer({"type": "x/TokenVerifierError", "detail": "expired"}, 401)
            return broker.sealed(b"shh")

        broker.says[PATH] = says
        await source.get(URI)
        assert (await source.get(URI)).reveal() == b"shh"
        assert (broker.asked("attest"), broker.asked(PATH)) == (2, 3)


@pytest.mark.parametrize(
    "lie",
    [
        Answer(200, b"the secret in the clear"),
        Answer(200, b"\xff"),
        sim.answer({"protected": "e30", "encrypted_key": "", "iv": "", "ciphertext": ""}),
        sim.answer(dict.fromkeys(("protected", "encrypted_key", "iv", "ciphertext", "tag"), "e30")),
    ],
)
async def test_answers_that_are_not_sealed_are_the_peers_failure(lie: Answer) -> None:
    async with sim.running() as broker, resources(broker) as source:
        broker.says[PATH] = lambda _: lie
        with pytest.raises(PeerError):
            await source.get(URI)


async def test_secret_changed_on_the_way_is_refused() -> None:
    async with sim.running() as broker, resources(broker) as source:

        def says(_: Request) -> Answer:
            sealed = json.loads(broker.sealed(b"shh").body)
            sealed["ciphertext"] = "AAAA"
            return sim.answer(sealed)

        broker.says[PATH] = says
        with pytest.raises(VerificationError):
            await source.get(URI)


async def test_secret_sealed_to_an_earlier_key_is_refused() -> None:
    async with sim.running() as broker, resources(broker) as source:
        broker.says[PATH] = lambda _: broker.sealed(b"shh")
        await source.get(URI)
        old = broker.sealed(b"shh")
    async with sim.running() as broker, resources(broker) as source:
        broker.says[PATH] = lambda _: old
        with pytest.raises(VerificationError):
            await source.get(URI)


async def test_files_of_the_image_answer_without_a_broker(tmp_path: Path) -> None:
    first, second = tmp_path / "keys.json", tmp_path / "resources.json"
    first.write_text('{"default/secret/one": "b25l", "a/b/c": "YQ=="}')
    second.write_text('{"default/secret/one": "dHdv"}')
    source = FileResources((first, second, tmp_path / "missing"))
    assert (await source.get(URI)).reveal() == b"two"
    assert (await source.get(ResourceUri.parse("kbs:///a/b/c"))).reveal() == b"a"
    with pytest.raises(VerificationError):
        await source.get(ResourceUri.parse("kbs:///a/b/d"))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"default/secret/one": 5}', '{"default/secret/one": "!"}']
)
async def test_broken_files_of_the_image_are_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(HostError):
        await FileResources((tmp_path / "f",)).get(URI)


async def test_guest_without_a_broker_says_so() -> None:
    with pytest.raises(InputError, match="kbc"):
        await NoResources().get(URI)
