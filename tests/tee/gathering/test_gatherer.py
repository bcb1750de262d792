"""From evidence to collateral and back: simulated hardware, a simulated key service."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec
import pytest

from casemate.errors import VerificationError
from casemate.net.http import HttpClient
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs
from casemate.tee.gathering.cache import Cache
from casemate.tee.gathering.fetcher import Fetcher, Limits
from casemate.tee.gathering.gatherer import Gathered, Gatherer, Source
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.verifiers import VERIFIERS, verify
from casemate.tee.want import Want
from tests.sim.vendor_service import BROKEN, PORTAL, SLOW, VendorService, later, truncated
from tests.tee.gathering.test_fetcher import Time

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
SNP = SIMULATORS["snp"].make({"carried": "none"}, NOW)


class Rig:
    """A service, a cache and a clock."""

    def __init__(self, folder: Path, made: Simulated = SNP) -> None:
        self.service = VendorService()
        self.cache = Cache(folder)
        self.now = NOW
        self.made = made
        self.time = Time()
        self.options: tuple[str, ...] = ()

    @property
    def inputs(self) -> Inputs:
        own = parse([*self.made.options, *self.options])
        return Inputs(now=NOW, anchors=Anchors.of_folder(self.made.roots), options=Options(own=own))

    @asynccontextmanager
    async def online(
        self, *, attempt: float = 5.0, longest: float = 20.0
    ) -> AsyncIterator[Gatherer]:
        async with self.service.running():
            if self.made.tee == "snp":
                self.options = (f"snp.kds_url={self.service.url}",)
            fetcher = Fetcher(
                HttpClient(anchors_pem=self.service.anchors_pem, timeout=attempt),
                limits=Limits(attempt=attempt),
                clock=self.time.clock,
                wall=self.time.wall,
                sleep=self.time.sleep,
                spread=lambda: 0.0,
            )
            gatherer = Gatherer(self.cache, fetcher, clock=self.clock, longest=longest)
            self.publish()
            try:
                yield gatherer
            finally:
                await gatherer.close()

    def publish(self) -> None:
        """Publish what the verifier asks for, as far as the simulation has it."""
        for want in VERIFIERS[self.made.tee].plan(self.made.evidence, self.inputs):
            body = self.published(want)
            if body is not None:
                self.service.publish(target(want), body)

    def published(self, want: Want) -> bytes | None:
        return dict(self.made.collateral).get(want.name)

    def clock(self) -> float:
        return self.now.timestamp()

    async def gather(self, gatherer: Gatherer) -> Gathered:
        return await gatherer.gather(self.made.tee, self.made.evidence, self.inputs)

    def offline(self) -> Gatherer:
        return Gatherer(self.cache, None, clock=self.clock)

    def holds(self, gathered: Gathered) -> bool:
        inputs = msgspec.structs.replace(self.inputs, collateral=gathered.material)
        try:
            verify(
                self.made.tee,
                self.made.evidence,
                Expectation(report_data=self.made.report_data),
                inputs,
            )
        except VerificationError:
            return False
        return True


def target(want: Want) -> str:
    parts = urlsplit(want.url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def sources(gathered: Gathered) -> dict[str, Source]:
    return {note.name.rpartition("/")[2]: note.source for note in gathered.notes}


async def test_evidence_that_carries_nothing_is_verified_with_what_was_fetched(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        gathered = await rig.gather(gatherer)
    assert rig.holds(gathered)
    assert set(sources(gathered).values()) == {Source.SERVICE}
    assert gathered.doubtful == ()
    assert {one.name for one in rig.cache.all()} == set(gathered.files)


async def test_young_copies_are_not_asked_for_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        await rig.gather(gatherer)
        before = rig.service.asked.total()
        rig.now += timedelta(hours=23)
        gathered = await rig.gather(gatherer)
    assert rig.service.asked.total() == before
    assert set(sources(gathered).values()) == {Source.CACHE}
    assert rig.holds(gathered)


async def test_old_copies_are_renewed_each_after_its_own_time(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        await rig.gather(gatherer)
        rig.now += timedelta(days=2)
        gathered = await rig.gather(gatherer)
    found = sources(gathered)
    assert found.pop("crl.der") is Source.SERVICE
    assert set(found.values()) == {Source.CACHE}


@pytest.mark.parametrize(
    "failure", [BROKEN, later(1), later(3600), PORTAL, truncated(b"0123456789"), SLOW]
)
async def test_expired_copies_serve_while_the_service_is_down_and_say_so(
    tmp_path: Path, failure: object, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        await rig.gather(gatherer)
    rig.now += timedelta(days=2)
    rig.service = VendorService()
    async with rig.online(attempt=0.1) as gatherer:
        rig.service.first["*"] = [failure] * 50  # type: ignore[list-item]
        with caplog.at_level(logging.WARNING):
            gathered = await rig.gather(gatherer)
    (note,) = gathered.doubtful
    assert note.source is Source.EXPIRED
    assert note.since == NOW
    assert note.why
    assert "expired copy, asked for at 2025-06-01 12:00 UTC" in str(note)
    assert str(note) in caplog.text
    assert rig.holds(gathered)
    assert rig.cache.find(Want(name=note.name, url="")) is not None  # and it stays


async def test_wrong_content_does_not_take_the_place_of_a_copy(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        await rig.gather(gatherer)
        before = {one.name: rig.cache.read(one) for one in rig.cache.all()}
        rig.now += timedelta(days=365)
        rig.service.first["*"] = [PORTAL] * 50
        await rig.gather(gatherer)
    assert {one.name: rig.cache.read(one) for one in rig.cache.all()} == before


async def test_what_cannot_be_had_is_told_and_the_verifier_refuses(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        rig.service.documents.clear()
        gathered = await rig.gather(gatherer)
    assert set(sources(gathered).values()) == {Source.NOWHERE}
    assert all("status 404" in note.why for note in gathered.doubtful)
    assert not rig.holds(gathered)
    assert rig.cache.all() == ()


async def test_service_under_load_is_asked_again_as_it_wishes(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        rig.service.first["*"] = [later(2), later(2)]
        gathered = await rig.gather(gatherer)
    assert rig.holds(gathered)
    assert rig.time.now >= 102


async def test_offline_takes_copies_however_old_and_never_asks(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        await rig.gather(gatherer)
    rig.now += timedelta(days=400)
    gathered = await rig.offline().gather("snp", SNP.evidence, rig.inputs)
    assert {note.source for note in gathered.notes} == {Source.EXPIRED}
    assert {note.why for note in gathered.notes} == {"offline"}
    assert rig.holds(gathered)


async def test_offline_without_copies_says_what_is_missing(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    gathered = await rig.offline().gather("snp", SNP.evidence, rig.inputs)
    assert gathered.files == {}
    assert len(gathered.doubtful) == len(gathered.notes) == 3
    await rig.offline().close()


async def test_copy_from_the_future_is_renewed(tmp_path: Path) -> None:
    """A clock that was wrong must not make a copy serve for years."""
    rig = Rig(tmp_path)
    rig.now += timedelta(days=3650)
    async with rig.online() as gatherer:
        await rig.gather(gatherer)
        rig.now = NOW
        gathered = await rig.gather(gatherer)
    assert set(sources(gathered).values()) == {Source.SERVICE}


async def test_operators_offline_store_serves_under_its_own_names(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    wants = VERIFIERS["snp"].plan(SNP.evidence, rig.inputs)
    vcek = next(one for one in wants if one.fallbacks)
    store = tmp_path / vcek.fallbacks[-1]
    store.parent.mkdir(parents=True)
    store.write_bytes(SNP.collateral[vcek.name])
    gathered = await rig.offline().gather("snp", SNP.evidence, rig.inputs)
    assert vcek.name in gathered.files


async def test_folder_that_cannot_be_written_costs_only_the_copy(tmp_path: Path) -> None:
    (tmp_path / "amd").write_bytes(b"a file where a folder should be")
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        gathered = await rig.gather(gatherer)
    assert rig.holds(gathered)
    assert all("not kept" in note.why for note in gathered.notes)


async def test_slow_service_does_not_keep_evidence_waiting(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.online(longest=0.1) as gatherer:
        rig.service.first["*"] = [SLOW] * 50
        gathered = await rig.gather(gatherer)
    assert all("no document in 0.1 s" in note.why for note in gathered.doubtful)


@pytest.mark.parametrize("evidence", [b"", b"{}", b"\xff" * 2000])
async def test_nothing_is_fetched_for_evidence_that_cannot_be_read(
    tmp_path: Path, evidence: bytes
) -> None:
    rig = Rig(tmp_path)
    async with rig.online() as gatherer:
        gathered = await gatherer.gather("snp", evidence, rig.inputs)
    assert gathered.refusal is not None
    assert gathered.notes == ()
    assert rig.service.asked.total() == 0


async def test_tee_that_wants_nothing_gets_what_was_given(tmp_path: Path) -> None:
    made = SIMULATORS["cca"].make({}, NOW)
    inputs = Inputs(now=NOW, collateral=Material.of_files({"x": b"given"}))
    gathered = await Gatherer(Cache(tmp_path), None, clock=lambda: 0.0).gather(
        "cca", made.evidence, inputs
    )
    assert gathered.material.files == {"x": b"given"}
    assert gathered.files == {}


async def test_intels_documents_come_with_their_issuer_chains(tmp_path: Path) -> None:
    made = SIMULATORS["tdx"].make({}, NOW)
    rig = Rig(tmp_path, made)
    async with rig.online() as gatherer:
        rig.options = (f"tdx.collateral_service={rig.service.url}/sgx/certification/v4/",)
        plan = VERIFIERS["tdx"].plan(made.evidence, rig.inputs)
        _publish_intel(rig, plan)
        gathered = await rig.gather(gatherer)
        assert set(sources(gathered).values()) == {Source.SERVICE}
        assert rig.holds(gathered)
        again = await rig.gather(gatherer)
    assert set(sources(again).values()) == {Source.CACHE}
    assert again.files == gathered.files
    assert [name for name in again.files if name.endswith(".json.pem")]
    assert rig.holds(again)


def _publish_intel(rig: Rig, plan: tuple[Want, ...]) -> None:
    """Publish as Intel does: a document and its signature, and the chain in a header."""
    made = json.loads(rig.made.collateral["collateral.json"])
    for want in plan:
        room = want.name.split("/")[2]
        if room == "tcb":
            body = _signed("tcbInfo", made["tcb_info"], made["tcb_info_signature"])
            chain = made["tcb_info_issuer_chain"]
        elif room == "qe":
            body = _signed("enclaveIdentity", made["qe_identity"], made["qe_identity_signature"])
            chain = made["qe_identity_issuer_chain"]
        elif room == "pckcrl":
            body, chain = bytes.fromhex(made["pck_crl"]), made["pck_crl_issuer_chain"]
        else:
            body, chain = bytes.fromhex(made["root_ca_crl"]), ""
        headers = ((want.chain_header, quote(chain)),) if want.chain_header else ()
        rig.service.publish(target(want), body, *headers)


def _signed(name: str, text: str, signature: str) -> bytes:
    return f'{{"{name}":{text},"signature":"{signature}"}}'.encode()


async def test_names_out_of_evidence_that_lead_elsewhere_are_told(tmp_path: Path) -> None:
    row = VERIFIERS["cca"]._replace(
        plan=lambda _raw, _inputs: tuple(
            Want(name=name, url="https://localhost/") for name in ("../../etc/x.der", "a.der")
        )
    )
    gatherer = Gatherer(Cache(tmp_path), None, clock=lambda: 0.0, table={"cca": row})
    gathered = await gatherer.gather("cca", b"", Inputs(now=NOW))
    assert [note.source for note in gathered.notes] == [Source.NOWHERE] * 2
    assert "relative path" in gathered.notes[0].why


async def test_wants_and_rounds_are_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = 0

    def plan(_raw: bytes, _inputs: Inputs) -> tuple[Want, ...]:
        nonlocal rounds
        rounds += 1
        return tuple(Want(name=f"{rounds}/{at}.der", url="https://localhost/") for at in range(40))

    row = VERIFIERS["cca"]._replace(plan=plan)
    gatherer = Gatherer(Cache(tmp_path), None, clock=lambda: 0.0, table={"cca": row})
    gathered = await gatherer.gather("cca", b"", Inputs(now=NOW))
    assert rounds <= 4
    assert sum(note.why == "offline" for note in gathered.notes) == 64
    assert all(
        note.why in {"offline", "more than 64 documents are wanted"} for note in gathered.notes
    )
    assert len(caplog.records) == 9
