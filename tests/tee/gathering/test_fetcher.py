"""Fetching one document from a service that fails in the ways that vendors' services do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

import pytest

from casemate.crypto import pem
from casemate.errors import InputError, PeerError
from casemate.net.http import HttpClient
from casemate.tee.gathering.fetcher import Fetched, Fetcher, Limits
from casemate.tee.want import Want
from tests.sim.vendor_service import (
    BROKEN,
    PORTAL,
    SLOW,
    Reply,
    VendorService,
    later,
    truncated,
)

DER = bytes.fromhex("3003020101")
PATH = "/vcek/v1/Milan/crl"
START = 1_700_000_000.0


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return START + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@asynccontextmanager
async def fetching(
    service: VendorService, time: Time, *, attempt: float = 10.0, trusted: bool = True
) -> AsyncIterator[Fetcher]:
    client = HttpClient(anchors_pem=service.anchors_pem if trusted else None, timeout=attempt)
    fetcher = Fetcher(
        client,
        limits=Limits(attempt=attempt),
        clock=time.clock,
        wall=time.wall,
        sleep=time.sleep,
        spread=lambda: 0.0,
    )
    async with service.running():
        try:
            yield fetcher
        finally:
            await fetcher.close()


def want(service: VendorService, path: str = PATH, name: str = "amd/crl.der") -> Want:
    return Want(name=name, url=f"{service.url}{path}", largest=1024)


async def outcome(fetcher: Fetcher, wanted: Want) -> str:
    try:
        await fetcher.fetch(wanted)
    except PeerError as error:
        return error.got
    return "a document"


async def test_document_is_fetched() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    async with fetching(service, time) as fetcher:
        assert await fetcher.fetch(want(service)) == Fetched(DER, b"")
    assert time.slept == []


async def test_who_comes_when_too_many_wait_is_told_so() -> None:
    service, time = VendorService(), Time()
    for number in range(80):
        service.publish(f"{PATH}{number}", DER)
    async with fetching(service, time) as fetcher:
        wanted = [want(service, f"{PATH}{n}", f"amd/{n}") for n in range(80)]
        told = await asyncio.gather(*(outcome(fetcher, one) for one in wanted))
        assert (told.count("a document"), told.count("64 others waiting")) == (64, 16)
        assert await outcome(fetcher, wanted[0]) == "a document"


async def test_service_that_says_later_is_left_alone_until_then() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    service.first["*"] = [later(3), later(2, status=503)]
    async with fetching(service, time) as fetcher:
        assert (await fetcher.fetch(want(service))).body == DER
    assert service.asked[PATH] == 3
    assert time.now - 100 >= 5


async def test_retry_after_may_be_a_date() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    date = format_datetime(datetime.fromtimestamp(START + 104, UTC), usegmt=True)
    service.first["*"] = [later(date)]
    async with fetching(service, time) as fetcher:
        await fetcher.fetch(want(service))
    assert time.now == pytest.approx(104, abs=1)


@pytest.mark.parametrize("text", ["", "soon", "-1", "Thu, 99 Foo 2024 00:00:00 GMT"])
async def test_retry_after_that_cannot_be_read_is_a_growing_pause(text: str) -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    service.first["*"] = [later(text), later(text)]
    async with fetching(service, time) as fetcher:
        await fetcher.fetch(want(service))
    assert time.slept == [0.5, 1.0]


async def test_nobody_waits_for_a_service_that_wants_an_hour() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    service.publish("/other", DER)
    service.first["*"] = [later(3600)]
    async with fetching(service, time) as fetcher:
        assert "may be asked in" in await outcome(fetcher, want(service))
        # another document of that host is not asked for either, until the hour is over
        other = want(service, "/other", "other.der")
        assert "may be asked in" in await outcome(fetcher, other)
        assert service.asked.total() == 1
        time.now += 3600
        assert await outcome(fetcher, other) == "a document"


async def test_broken_service_is_asked_again_after_growing_pauses() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    service.first["*"] = [BROKEN, BROKEN, BROKEN]
    async with fetching(service, time) as fetcher:
        assert await outcome(fetcher, want(service)) == "a document"
    assert time.slept == [0.5, 1.0, 2.0]


async def test_service_that_stays_broken_is_given_up_and_left_alone_for_a_minute() -> None:
    service, time = VendorService(), Time()
    service.documents[PATH] = BROKEN
    async with fetching(service, time) as fetcher:
        assert await outcome(fetcher, want(service)) == "status 500"
        assert service.asked[PATH] == 4
        assert await outcome(fetcher, want(service)) == "status 500"
        assert service.asked[PATH] == 4
        time.now += 61
        service.publish(PATH, DER)
        assert await outcome(fetcher, want(service)) == "a document"


@pytest.mark.parametrize(
    ("reply", "got"),
    [
        (Reply(404, b"unknown chip"), "status 404"),
        (Reply(403), "status 403"),
        (Reply(302, b"", (("Location", "http://elsewhere/"),)), "status 302"),
        (PORTAL, "26 bytes of something else"),
        (Reply(200, b""), "nothing"),
        (Reply(200, DER + b"more"), "of something else"),
        (Reply(200, bytes(1025)), "a body over 1024 bytes"),
        (Reply(200, b"", promised=1 << 40), "a body over 1024 bytes"),
    ],
)
async def test_answer_that_will_not_get_better_is_not_asked_for_again(
    reply: Reply, got: str
) -> None:
    service, time = VendorService(), Time()
    service.documents[PATH] = reply
    if reply.promised:
        service.documents[PATH] = Reply(200, bytes(2000), promised=reply.promised)
    async with fetching(service, time) as fetcher:
        assert got in await outcome(fetcher, want(service))
    assert service.asked[PATH] == 1


async def test_truncated_answer_is_none_and_is_asked_for_again() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    service.first["*"] = [truncated(DER)]
    async with fetching(service, time) as fetcher:
        assert (await fetcher.fetch(want(service))).body == DER
    assert service.asked[PATH] == 2


async def test_slow_answer_is_given_up() -> None:
    service, time = VendorService(), Time()
    service.documents[PATH] = SLOW
    async with fetching(service, time, attempt=0.05) as fetcher:
        assert "0.05 s" in await outcome(fetcher, want(service))
    assert service.asked[PATH] == 4


async def test_answer_that_never_ends_is_given_up_as_a_whole() -> None:
    """Each piece comes in time; the whole does not."""
    service, time = VendorService(), Time()
    service.documents[PATH] = Reply(promised=1000, drips=True)
    async with fetching(service, time, attempt=0.1) as fetcher:
        assert "no whole answer in 0.1 s" in await outcome(fetcher, want(service))


async def test_service_that_is_not_there_is_told_by_its_name() -> None:
    service, time = VendorService(), Time()
    async with fetching(service, time) as fetcher:
        gone = Want(name="gone.der", url="https://127.0.0.1:1/gone")
        assert "127.0.0.1:1" in await outcome(fetcher, gone)
    assert time.slept == [0.5, 1.0, 2.0]


async def test_impostor_is_asked_for_nothing() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    async with fetching(service, time, trusted=False) as fetcher:
        assert await outcome(fetcher, want(service)) != "a document"
    assert service.asked.total() == 0


async def test_document_is_asked_for_once_however_many_want_it() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    async with fetching(service, time) as fetcher:
        found = await asyncio.gather(*(fetcher.fetch(want(service)) for _ in range(20)))
    assert {one.body for one in found} == {DER}
    assert service.asked[PATH] == 1


async def test_host_gets_few_requests_at_a_time() -> None:
    service, time = VendorService(), Time()
    for at in range(12):
        service.publish(f"/{at}", DER)
    async with fetching(service, time) as fetcher:
        wanted = [want(service, f"/{at}", f"{at}.der") for at in range(12)]
        await asyncio.gather(*map(fetcher.fetch, wanted))
    assert service.asked.total() == 12
    assert service.most_at_once <= 2


async def test_one_who_stops_waiting_does_not_take_it_from_the_others() -> None:
    service, time = VendorService(), Time()
    service.publish(PATH, DER)
    async with fetching(service, time) as fetcher:
        first = asyncio.ensure_future(fetcher.fetch(want(service)))
        second = asyncio.ensure_future(fetcher.fetch(want(service)))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).body == DER
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_what_is_under_way_ends_with_the_fetcher() -> None:
    service, time = VendorService(), Time()
    service.documents[PATH] = SLOW
    async with fetching(service, time) as fetcher:
        waiting = asyncio.ensure_future(fetcher.fetch(want(service)))
        await service.reached.wait()
        await fetcher.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_issuer_chain_comes_with_its_document() -> None:
    service, time = VendorService(), Time()
    chain = pem.encode(DER, "CERTIFICATE")
    service.publish("/tcb", b"{}", ("TCB-Info-Issuer-Chain", quote(chain)))
    asked = Want(name="tcb.json", url="", chain_header="tcb-info-issuer-chain")
    async with fetching(service, time) as fetcher:
        wanted = Want(name=asked.name, url=f"{service.url}/tcb", chain_header=asked.chain_header)
        assert await fetcher.fetch(wanted) == Fetched(b"{}", chain)


@pytest.mark.parametrize("headers", [(), (("TCB-Info-Issuer-Chain", "none"),)])
async def test_document_without_its_issuer_chain_is_none(
    headers: tuple[tuple[str, str], ...],
) -> None:
    service, time = VendorService(), Time()
    service.publish("/tcb", b"{}", *headers)
    async with fetching(service, time) as fetcher:
        wanted = Want(
            name="tcb.json", url=f"{service.url}/tcb", chain_header="tcb-info-issuer-chain"
        )
        assert "tcb-info-issuer-chain" in await outcome(fetcher, wanted)


async def test_body_is_posted() -> None:
    service, time = VendorService(), Time()
    service.publish("/ask", b"{}")
    async with fetching(service, time) as fetcher:
        wanted = Want(name="a.json", url=f"{service.url}/ask", body=b"question")
        assert (await fetcher.fetch(wanted)).body == b"{}"
    assert service.bodies == [b"question"]


@pytest.mark.parametrize("url", ["ftp://localhost/x", "https://", "nonsense", "https://[/x"])
async def test_url_that_cannot_be_meant_is_the_callers_mistake(url: str) -> None:
    service, time = VendorService(), Time()
    async with fetching(service, time) as fetcher:
        with pytest.raises(InputError):
            await fetcher.fetch(Want(name="x.der", url=url))


async def test_failures_that_are_remembered_are_bounded() -> None:
    service, time = VendorService(), Time()
    async with fetching(service, time) as fetcher:
        for at in range(1024):
            fetcher._failed[(str(at), "")] = (1e9, PeerError("x", got="x", want="x"))
        assert await outcome(fetcher, want(service)) == "status 404"
        assert len(fetcher._failed) == 1024
