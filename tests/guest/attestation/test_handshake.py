import asyncio
import json
import threading
from base64 import b64decode

import pytest

from casemate.crypto.digest import sha256
from casemate.errors import HostError, PeerError, VerificationError
from casemate.guest.attestation.handshake import EvidenceSource, Handshake
from casemate.guest.attestation.rcar import Passport
from casemate.guest.broker import Broker, Sleep
from casemate.guest.reporting import Stations
from casemate.net.http_server import Answer
from casemate.tee.sample.attester import SampleAttester
from casemate.tee.sampledevice.attester import SampleDevice
from casemate.wire import kbs
from casemate.wire.console import ConsoleEvent, EventKind
from tests.sim import broker as sim


async def no_pause(seconds: float) -> None:
    assert seconds == 1


async def attest(
    url: str, events: list[ConsoleEvent] | None = None, sleep: Sleep = no_pause
) -> Passport:
    pinned = sim.AUTHORITY.certificate_pem.decode()
    broker = Broker(url, pinned, pinned_in="aa.toml", sleep=sleep)
    told = Stations((events if events is not None else []).append)
    try:
        return await Handshake(broker, SampleAttester(), told, initdata="version = 1").attest()
    finally:
        await broker.close()


async def test_token_comes_with_the_key_it_speaks_for() -> None:
    async with sim.running() as broker:
        passport = await attest(broker.url)
        sent = kbs.parse_attestation(broker.requests[-1].body)
    assert passport.token == sim.token()
    assert passport.lifetime == 300
    jwk = passport.key.public.jwk(alg="ECDH-ES+A256KW")
    assert json.loads(kbs.encode(jwk)) == json.loads(kbs.encode(sent.runtime_data.tee_pubkey))
    assert sent.init_data == kbs.InitDataField("toml", "version = 1")
    assert sent.runtime_data.nonce == sim.NONCE


class Dead:
    """A device that is gone."""

    tee = "nvidia"

    def evidence(self, report_data: bytes) -> bytes:
        raise HostError("NVML", got=f"no device for {report_data.hex()}", want="a report")


class Slow(SampleAttester):
    """A TEE whose evidence takes seconds."""

    thread = 0

    @property
    def tee(self) -> str:
        return "az-snp-vtpm"

    def evidence(self, report_data: bytes) -> bytes:
        self.thread = threading.get_ident()
        return super().evidence(report_data)


async def attest_with(url: str, attester: EvidenceSource, *devices: EvidenceSource) -> Passport:
    broker = Broker(url, sim.AUTHORITY.certificate_pem.decode(), pinned_in="aa.toml")
    told = Stations(lambda _event: None)
    try:
        return await Handshake(broker, attester, told, devices=devices).attest()
    finally:
        await broker.close()


async def test_devices_attest_beside_the_tee_which_covers_them() -> None:
    async with sim.running() as broker:
        await attest_with(broker.url, SampleAttester(), SampleDevice())
        sent = kbs.parse_attestation(broker.requests[-1].body)
    additional = sent.tee_evidence.additional_evidence
    found = json.loads(additional)
    assert set(found) == {"sampledevice"}
    nonce = kbs.device_report_data(sent.runtime_data).value
    assert b64decode(found["sampledevice"]["report_data"]) == nonce
    primary = json.loads(bytes(sent.tee_evidence.primary_evidence))
    covered = kbs.report_data(sent.runtime_data, additional).value
    assert b64decode(primary["report_data"]) == covered
    assert covered != kbs.report_data(sent.runtime_data, "").value


async def test_nothing_is_attested_without_a_device_that_should_be_there() -> None:
    async with sim.running() as broker:
        with pytest.raises(HostError, match="NVML"):
            await attest_with(broker.url, SampleAttester(), SampleDevice(), Dead())
        assert broker.asked("attest") == 0


async def test_evidence_that_takes_seconds_does_not_stop_the_loop() -> None:
    slow = Slow()
    async with sim.running() as broker:
        await attest_with(broker.url, slow)
    assert slow.thread not in {0, threading.get_ident()}


async def test_each_handshake_has_its_own_key() -> None:
    async with sim.running() as broker:
        first = await attest(broker.url)
        second = await attest(broker.url)
    assert first.key.public != second.key.public


async def test_broker_of_another_authority_is_refused_by_name() -> None:
    events: list[ConsoleEvent] = []
    async with sim.running(sim.STRANGER) as broker:
        with pytest.raises(VerificationError) as caught:
            await attest(broker.url, events)
    refusal = caught.value.refusal
    assert refusal.step == "attest"
    assert "another authority" in refusal.got
    assert "pinned authority" in refusal.expected
    pinned = sha256(sim.AUTHORITY.certificate_der).hex[:16]
    assert pinned in refusal.expected
    assert pinned not in refusal.got
    assert broker.requests == []
    assert [event.kind for event in events] == [EventKind.BEGIN, EventKind.REFUSED, EventKind.END]
    assert events[1].refusal == refusal


async def test_trustees_reason_reaches_the_caller_unchanged() -> None:
    members = dict.fromkeys(("step", "claim", "got", "expected", "rule", "remedy"), "reason")
    body = {"type": "t", "detail": "d", **members}
    async with sim.running() as broker:
        broker.says["attest"] = lambda _: sim.answer(body, 401)
        with pytest.raises(VerificationError) as caught:
            await attest(broker.url)
        assert broker.asked("attest") == 1
    assert caught.value.refusal.claim == caught.value.refusal.rule == "reason"


async def test_broker_that_stumbles_is_asked_again() -> None:
    async with sim.running() as broker:
        answers = iter([Answer(503, b""), Answer(500, b"")])
        good = sim.answer({"nonce": sim.NONCE, "extra-params": ""})
        cookie = (("set-cookie", "kbs-session-id=1"),)
        last = Answer(200, good.body, good.content_type, cookie)
        broker.says["auth"] = lambda _: next(answers, last)
        await attest(broker.url)
        assert broker.asked("auth") == 3


async def test_nobody_there_is_the_peers_failure_after_five_tries() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with sim.running() as broker:
        url = broker.url
    with pytest.raises(PeerError):
        await attest(url, sleep=sleep)
    assert pauses == [1.0] * 4


@pytest.mark.parametrize(
    ("path", "lie"),
    [
        ("auth", Answer(200, b"<html>")),
        ("auth", sim.answer({"nonce": 5, "extra-params": ""})),
        ("auth", sim.answer({"nonce": "", "extra-params": ""})),
        ("auth", sim.answer({"nonce": "n", "extra-params": {"selected-hash-algorithm": "md5"}})),
        ("auth", sim.answer({"nonce": "without a cookie", "extra-params": ""})),
        ("attest", Answer(200, b"\xff\xfe")),
        ("attest", sim.answer({"token": "no token"})),
        ("attest", sim.answer({"token": 7})),
    ],
)
async def test_lies_are_the_peers_failure(path: str, lie: Answer) -> None:
    async with sim.running() as broker:
        broker.says[path] = lambda _: lie
        with pytest.raises(PeerError):
            await attest(broker.url)


async def test_huge_answer_is_not_kept() -> None:
    async with sim.running() as broker:
        broker.says["auth"] = lambda _: Answer(200, bytes(9 << 20))
        with pytest.raises(PeerError, match="bytes"):
            await asyncio.wait_for(attest(broker.url), 20)
