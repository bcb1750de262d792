"""What vendors publish, on its way into a Trustee's verdict: nobody else waits meanwhile."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from casemate.errors import HostError, InputError
from casemate.net.http import HttpClient
from casemate.tee.evidence import Inputs
from casemate.tee.gathering.cache import Cache
from casemate.tee.gathering.fetcher import Fetcher, Limits
from casemate.tee.gathering.gatherer import Gatherer
from casemate.tee.material import MOST_FILES
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.verifiers import VERIFIERS
from casemate.trustee.attestation import trust
from casemate.trustee.kbs.exchange import Answer, Ask
from casemate.trustee.kbs.remote import RemoteAttestation
from casemate.trustee.settings import TABLE
from casemate.wire import kbs
from casemate.wire.pb import attestation_pb2
from tests.sim.vendor_service import SLOW, VendorService
from tests.trustee.site import START, Client, Site, claims_of, refusal

DEFAULTS = {row.name: row.default for row in TABLE}


class SimulatedSnp:
    """An SNP guest whose chip's root the site comes to trust."""

    tee = "snp"

    def __init__(self, site: Site) -> None:
        self._site = site
        self.made: Simulated | None = None

    def evidence(self, report_data: bytes) -> bytes:
        now = datetime.fromtimestamp(START, UTC)
        fields = {"carried": "none", "report_data": report_data.hex()}
        self.made = SIMULATORS["snp"].make(fields, now)
        for name, body in self.made.roots.items():
            (self._site.folder / "roots" / name).write_bytes(body)
        self._site.clock.now += 61  # the folder of roots is read again after a minute
        return self.made.evidence


@pytest.fixture
def service() -> VendorService:
    return VendorService()


def found(tmp_path: Path, **settings: Any) -> Site:
    folder = tmp_path / "trustee"
    (folder / "roots").mkdir(parents=True)
    return Site.found(folder, roots="roots", **settings)


async def asked(client: Client) -> Ask:
    """Make the request that presents evidence."""
    attestation = kbs.Attestation(
        client.runtime_data(), kbs.CompositeEvidence(msgspec.Raw(client.evidence()), ""), None
    )
    return Ask(
        method="POST",
        target="/kbs/v0/attest",
        headers={"cookie": client.cookie},
        body=kbs.encode(attestation),
    )


async def attested(client: Client) -> Answer:
    broker = client.site.trustee.broker
    assert broker is not None
    return broker.answer(await broker.prepared(await asked(client)))


def publish(service: VendorService, made: Simulated, options: str) -> None:
    from casemate.tee.options import Options, parse

    inputs = Inputs(now=made.now, options=Options(own=parse([options])))
    for want in VERIFIERS["snp"].plan(made.evidence, inputs):
        parts = urlsplit(want.url)
        query = f"?{parts.query}" if parts.query else ""
        service.publish(parts.path + query, made.collateral[want.name])


def trusting(site: Site, service: VendorService) -> None:
    """Let the Trustee's fetcher trust the service's web certificate, as the system's would be."""
    fetcher = Fetcher(
        HttpClient(anchors_pem=service.anchors_pem, timeout=5),
        limits=Limits(),
        clock=site.clock,
        wall=site.clock,
    )
    site.trustee.gatherer._fetcher = fetcher


async def test_evidence_is_believed_once_its_collateral_was_fetched(
    tmp_path: Path, service: VendorService
) -> None:
    async with service.running():
        option = f"snp.kds_url={service.url}"
        site = found(tmp_path, verifier__options=[option])
        trusting(site, service)
        guest = SimulatedSnp(site)
        client = site.client(guest)
        assert client.auth().status == 200
        ask = await asked(client)
        assert guest.made is not None
        publish(service, guest.made, option)
        broker = site.trustee.broker
        assert broker is not None
        answer = broker.answer(await broker.prepared(ask))
        await site.trustee.gatherer.close()
    assert answer.status == 200, answer.body
    token = claims_of(kbs.parse_token_answer(answer.body).token)
    assert "cpu0" in token["submods"]
    assert {place.suffix for place in (site.folder / "collateral").rglob("*.*")} == {".der", ".pem"}
    site.trustee.close()


async def test_without_the_vendor_it_is_refused_and_says_what_was_missing(
    tmp_path: Path, service: VendorService
) -> None:
    async with service.running():
        site = found(tmp_path, verifier__options=[f"snp.kds_url={service.url}"])
        trusting(site, service)
        client = site.client(SimulatedSnp(site))
        client.auth()
        answer = await attested(client)
        await site.trustee.gatherer.close()
    assert answer.status == 401
    assert service.asked.total() == 3
    site.trustee.close()


async def test_offline_trustee_asks_nobody_and_takes_what_its_folder_holds(
    tmp_path: Path,
) -> None:
    site = found(tmp_path, collateral__offline=True)
    guest = SimulatedSnp(site)
    client = site.client(guest)
    client.auth()
    ask = await asked(client)
    assert guest.made is not None
    cache = Cache(site.folder / "collateral")
    long_ago = datetime.fromtimestamp(START, UTC) - timedelta(days=300)
    for name, body in guest.made.collateral.items():
        cache.keep(name, body, long_ago)
    broker = site.trustee.broker
    assert broker is not None
    assert broker.answer(await broker.prepared(ask)).status == 200
    site.trustee.close()


async def test_others_are_answered_while_a_vendor_keeps_one_waiting(
    tmp_path: Path, service: VendorService
) -> None:
    async with service.running():
        service.first["*"] = [SLOW] * 20
        option = f"snp.kds_url={service.url}"
        site = found(tmp_path, verifier__options=[option], collateral__timeout=30.0)
        trusting(site, service)
        client = site.client(SimulatedSnp(site))
        client.auth()
        ask = await asked(client)
        broker = site.trustee.broker
        assert broker is not None
        waiting = asyncio.ensure_future(broker.prepared(ask))
        await service.reached.wait()
        assert await _sample_token(site)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await site.trustee.gatherer.close()
    site.trustee.close()


async def _sample_token(site: Site) -> bool:
    client = site.client()
    client.auth()
    return (await attested(client)).status == 200


async def test_nothing_is_fetched_for_evidence_of_another_session(
    tmp_path: Path, service: VendorService
) -> None:
    async with service.running():
        site = found(tmp_path, verifier__options=[f"snp.kds_url={service.url}"])
        trusting(site, service)
        client = site.client(SimulatedSnp(site))
        client.auth()
        client.nonce = "AAAA"
        wrong_nonce = await attested(client)
        client.auth()
        client.cookie = "kbs-session-id=nobody"
        no_session = await attested(client)
        await site.trustee.gatherer.close()
    assert wrong_nonce.status == no_session.status == 401
    assert service.asked.total() == 0
    site.trustee.close()


async def test_attested_session_is_answered_from_its_token(tmp_path: Path) -> None:
    site = found(tmp_path, collateral__offline=True)
    client = site.client()
    client.auth()
    first = await attested(client)
    again = await attested(client)
    assert first.body == again.body
    site.trustee.close()


async def test_other_requests_are_left_as_they_are(tmp_path: Path) -> None:
    site = found(tmp_path, collateral__offline=True)
    broker = site.trustee.broker
    assert broker is not None
    for ask in (
        Ask(method="POST", target="/kbs/v0/auth", headers={}),
        Ask(method="GET", target="/kbs/v0/attest", headers={}),
        Ask(method="POST", target="/kbs/v0/attest", headers={}, body=b"nonsense"),
    ):
        assert await broker.prepared(ask) is ask
    site.trustee.close()


async def test_tee_that_is_not_listened_to_is_refused_before_anything_is_fetched(
    tmp_path: Path, service: VendorService
) -> None:
    async with service.running():
        site = found(tmp_path, sample=False, verifier__options=[f"snp.kds_url={service.url}"])
        trusting(site, service)
        client = site.client(SimulatedSnp(site))
        client.auth()
        ask = await asked(client)
        body = msgspec.json.decode(ask.body)
        body["tee-evidence"]["additional_evidence"] = '{"sampledevice":{}}'
        ask = msgspec.structs.replace(ask, body=msgspec.json.encode(body))
        broker = site.trustee.broker
        assert broker is not None
        answer = broker.answer(await broker.prepared(ask))
        await site.trustee.gatherer.close()
    assert answer.status == 401
    assert "sampledevice" in str(refusal(answer))
    assert service.asked.total() == 0
    site.trustee.close()


async def test_cache_that_cannot_be_read_is_this_machines_fault(tmp_path: Path) -> None:
    site = found(tmp_path, collateral__offline=True)
    client = site.client(SimulatedSnp(site))
    client.auth()
    ask = await asked(client)
    crl = next(
        want.name for want in VERIFIERS["snp"].plan(_evidence(ask), Inputs(now=datetime.now(UTC)))
    )
    (site.folder / "collateral" / crl).mkdir(parents=True)
    broker = site.trustee.broker
    assert broker is not None
    assert broker.answer(await broker.prepared(ask)).status == 503
    site.trustee.close()


def _evidence(ask: Ask) -> bytes:
    return bytes(kbs.parse_attestation(ask.body).tee_evidence.primary_evidence)


def test_roots_are_read_again_after_a_minute(tmp_path: Path) -> None:
    now = 0.0
    made = SIMULATORS["cca"].make({}, datetime(2025, 6, 1, tzinfo=UTC))
    folder = trust.RootsFolder(tmp_path, (), lambda: now)
    assert folder.anchors().material.files == {}
    (tmp_path / "tastore.json").write_bytes(made.roots["tastore.json"])
    now = 59.0
    assert folder.anchors().material.files == {}
    now = 60.0
    assert set(folder.anchors().material.files) == {"tastore.json"}


def test_folder_of_roots_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        Site.found(tmp_path / "trustee", roots="nowhere")


def test_folder_of_roots_is_bounded(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes((4 << 20) + 1))
    with pytest.raises(InputError, match="at most"):
        trust.RootsFolder(tmp_path, (), lambda: 0.0)
    big.unlink()
    for number in range(MOST_FILES + 1):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(InputError, match="more files"):
        trust.RootsFolder(tmp_path, (), lambda: 0.0)


def test_roots_that_cannot_be_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root.pem").write_bytes(b"")

    def refuse(*_: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(HostError, match="Permission denied"):
        trust.RootsFolder(tmp_path, (), lambda: 0.0)


@pytest.mark.parametrize(
    "option", ["snp.max_vmpl=9", "snp.no_such=1", "nobody.x=1", "snp", "cca.anything=1"]
)
def test_option_that_cannot_be_meant_is_told_at_the_start(tmp_path: Path, option: str) -> None:
    with pytest.raises(InputError):
        Site.found(tmp_path / "trustee", verifier__options=[option])


def test_options_reach_every_verifier(tmp_path: Path) -> None:
    values = DEFAULTS | {
        "verifier.options": ["snp.max_vmpl=2", "nvidia-dpu.max_cert_age_secs=60"],
        "verifier.allow_debug": True,
    }
    options = trust.options_of(values)
    assert options.allow_debug
    assert options.own["snp"] == {"max_vmpl": "2"}
    assert isinstance(trust.gatherer_of(tmp_path, values, clock=lambda: 0.0), Gatherer)


@pytest.mark.parametrize("name", ["verifier.allow_debug", "verifier.allow_migration"])
def test_production_never_accepts_machines_that_can_be_looked_into(
    tmp_path: Path, name: str
) -> None:
    loose = {name.replace(".", "__"): True}
    with pytest.raises(InputError, match="false in profile production"):
        Site.found(tmp_path / "trustee", profile="production", sample=False, **loose)


class _Waits:
    """A gRPC client whose service takes its time."""

    def __init__(self) -> None:
        self.answered = threading.Event()

    def call(self, _service: str, _method: str, _request: bytes) -> bytes:
        assert self.answered.wait(10)
        return attestation_pb2.AttestationResponse(attestation_token="t").SerializeToString()


async def test_split_broker_answers_others_while_its_attestation_service_waits(
    tmp_path: Path,
) -> None:
    site = found(tmp_path, collateral__offline=True)
    client = site.client()
    client.auth()
    attestation = kbs.parse_attestation((await asked(client)).body)
    waits = _Waits()
    remote = RemoteAttestation(waits)  # type: ignore[arg-type]
    waiting = asyncio.ensure_future(remote.prepare("sample", attestation, "session"))
    assert await _sample_token(site)
    assert not waiting.done()
    waits.answered.set()
    assert (await waiting)() == "t"
    site.trustee.close()
