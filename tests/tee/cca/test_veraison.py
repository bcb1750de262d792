"""The conversation with a Veraison service that fails in the ways that services do."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import InputError, PeerError
from casemate.net.http_server import Answer
from casemate.tee.cca.configuration import base_of
from casemate.tee.cca.options import CcaOptions
from casemate.tee.cca.veraison import DISCOVERY, SESSION, Discovery, Session, converse
from casemate.tee.conversation import Conversation, Reply
from casemate.tee.evidence import Inputs
from casemate.tee.options import Options
from tests.sim.vendor_service import SLOW, VendorService
from tests.sim.veraison import MEDIA_TYPE, Veraison, member_of, problem
from tests.tee.cca.asked import Outcome, gatherer, options_for, outcome, service_for
from tests.tee.cca.simulated import NOW, make
from tests.tee.gathering.test_fetcher import Time

MADE = make()
WELL_KNOWN = "/.well-known/veraison/verification"
NEW = "/challenge-response/v1/newSession"


def told(done: Outcome) -> str:
    """Assert that the service gave no verdict; give the reason."""
    assert done.step == 15
    assert done.refusal is not None
    return f"{done.refusal.got}. {done.refusal.remedy}"


async def test_verdict_that_takes_a_while_is_polled_for() -> None:
    service = service_for(MADE, polls=3)
    assert (await outcome(service, MADE)).step == 0
    assert [one.method for one in service.asked] == ["GET", "POST", "POST", "GET", "GET", "GET"]


async def test_session_that_is_processing_for_ever_is_left() -> None:
    service = service_for(MADE, polls=10**9)
    assert "processing, for ever" in told(await outcome(service, MADE))
    assert len(service.asked) == 3 + 64


@pytest.mark.parametrize("alphabet", ["url", "url padded", "standard"])
async def test_sessions_nonce_may_be_written_in_either_alphabet(alphabet: str) -> None:
    made = make(report_data="fb" * 64)

    def change(session: dict[str, Any]) -> None:
        if alphabet == "standard":
            session["nonce"] = session["nonce"].replace("-", "+").replace("_", "/")
        if alphabet != "url":
            session["nonce"] += "=="

    assert (await outcome(service_for(made, session=change), made)).step == 0


@pytest.mark.parametrize("location", ["session/{id}", "/challenge-response/v1/session/{id}"])
async def test_location_may_be_relative(location: str) -> None:
    assert (await outcome(service_for(MADE, location=location), MADE)).step == 0


@pytest.mark.parametrize(
    "location",
    [
        "",
        "https://elsewhere.example/session/{id}",
        "//elsewhere.example/session/{id}",
        "http://localhost/session/{id}",
        "https://[::1/session/{id}",
        "session/{id}#x",
        "session/{id} x",
    ],
)
async def test_evidence_goes_nowhere_but_to_the_service(location: str) -> None:
    service = service_for(MADE, location=location)
    assert "Location" in told(await outcome(service, MADE))
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (member_of("service-state", "DOWN"), "DOWN"),
        (member_of("service-state", ...), "missing required field"),
        (member_of("api-endpoints", {}), "none"),
        (member_of("api-endpoints", None), "Expected `object`"),
        (member_of("api-endpoints/newChallengeResponseSession", "https://x.example/"), "https://x"),
        (member_of("api-endpoints/newChallengeResponseSession", "/a b"), "/a b"),
        (member_of("api-endpoints/newChallengeResponseSession", "/a?b"), "/a?b"),
        (member_of("ear-verification-key", {"kty": "oct", "k": "AA"}), "oct"),
    ],
)
async def test_service_that_cannot_be_talked_to_is_told(change: Any, reason: str) -> None:
    service = service_for(MADE, discovery=change)
    assert reason in told(await outcome(service, MADE))
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (member_of("nonce", "AAAA"), "nonce 000000"),
        (member_of("nonce", "?"), "?"),
        (member_of("nonce", ...), "missing required field"),
        (member_of("expiry", "yesterday"), "Invalid RFC3339"),
        (member_of("expiry", "2031-01-01T00:00:00"), "timezone"),
        (member_of("expiry", (NOW - timedelta(seconds=1)).isoformat()), "expired"),
        (member_of("accept", []), "no media types"),
        (member_of("accept", ["application/psa-attestation-token"]), "psa"),
        (member_of("accept", ['application/eat-collection; profile="x"']), "eat-collection"),
        (member_of("status", "splendid"), "splendid"),
    ],
)
async def test_session_that_is_not_ours_or_not_open_gets_no_evidence(
    change: Any, reason: str
) -> None:
    service = service_for(MADE, session=change)
    assert reason in told(await outcome(service, MADE))
    assert len(service.asked) == 2


async def test_profile_may_stand_without_quotes_as_in_veraisons_documents() -> None:
    unquoted = ["application/eat-collection; profile=http://arm.com/CCA-SSD/1.0.0"]
    service = service_for(MADE, session=member_of("accept", unquoted))
    assert (await outcome(service, MADE)).step == 0
    assert dict(service.asked[-1].headers)["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize("status", ["failed", "waiting"])
async def test_session_that_ended_without_a_verdict_is_told(status: str) -> None:
    service = service_for(MADE, polls=1)

    def change(session: dict[str, Any]) -> None:
        if session["status"] == "complete":
            session |= {"status": status}

    service.session = change
    assert f"status {status}" in told(await outcome(service, MADE))


async def test_complete_session_without_a_result_is_told() -> None:
    service = service_for(MADE, session=member_of("result", ...))
    assert "no result" in told(await outcome(service, MADE))


async def test_session_of_another_nonce_at_the_end_is_told() -> None:
    service = service_for(MADE, polls=1)

    def change(session: dict[str, Any]) -> None:
        if session["status"] == "complete":
            session["nonce"] = "AAAA"

    service.session = change
    assert "nonce 000000" in told(await outcome(service, MADE))


# What HTTP can say


@pytest.mark.parametrize("place", [WELL_KNOWN, NEW, "session"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (problem(400, "nonce must be valid"), "status 400, nonce must be valid"),
        (problem(404, "no active session"), "Is a Veraison service there?"),
        (problem(415, "no active plugin found"), "scheme for Arm CCA"),
        (Answer(403, b"<html>", "text/html"), "status 403"),
        (Answer(400, b"{", "application/problem+json"), "status 400"),
        (Answer(302, b"", headers=(("Location", "https://elsewhere.example/"),)), "status 302"),
        (Answer(204, b""), "status 204"),
        (Answer(201, b"<html>please log in</html>", "text/html"), "text/html"),
        (Answer(200, b"<html>please log in</html>", "text/html"), "text/html"),
        (Answer(200, bytes((1 << 20) + 1), SESSION), "over"),
    ],
)
async def test_every_answer_that_is_none_is_told(place: str, answer: Answer, reason: str) -> None:
    service = service_for(MADE, first={place: [answer]})
    found = told(await outcome(service, MADE))
    instead = f"status {answer.status}" if answer.status in {200, 201} else reason
    assert reason in found or instead in found
    assert place == "session" or not any(one.body for one in service.asked)


async def test_broken_documents_are_told() -> None:
    for place, status, media in (
        (WELL_KNOWN, 200, DISCOVERY),
        (NEW, 201, SESSION),
        ("session", 200, SESSION),
    ):
        for body in (b"", b"{}", b"[]", b"\xff", b"[" * 60_000, b"null"):
            service = service_for(MADE, first={place: [Answer(status, body, media)]})
            assert "document" in told(await outcome(service, MADE))


async def test_service_that_says_later_is_asked_again_then() -> None:
    later = problem(429, "slow down", ("Retry-After", "3"))
    busy = problem(503, "busy", ("Retry-After", "1"))
    service = service_for(MADE, first={WELL_KNOWN: [later], NEW: [busy], "session": [later]})
    assert (await outcome(service, MADE)).step == 0
    assert len(service.asked) == 6


async def test_service_that_says_much_later_is_left_alone() -> None:
    service = service_for(MADE, first={NEW: [problem(429, "no", ("Retry-After", "3600"))]})
    assert "may be asked in 3600 s" in told(await outcome(service, MADE))
    assert len(service.asked) == 2


async def test_service_that_is_always_busy_is_told_with_its_words() -> None:
    busy = [problem(429, "quota of tenant 0", ("Retry-After", "1"))] * 4
    service = service_for(MADE, first={NEW: busy})
    found = told(await outcome(service, MADE))
    assert "status 429, quota of tenant 0" in found
    assert "asked too often" in found


async def test_evidence_is_not_sent_twice_after_an_error() -> None:
    """The service may have acted upon it: its session is over."""
    broken = problem(500, "error encountered while processing evidence")
    service = service_for(MADE, first={"session": [broken]})
    assert "log says what went wrong" in told(await outcome(service, MADE))
    assert sum(bool(one.body) for one in service.asked) == 1


async def test_error_before_that_is_asked_about_again() -> None:
    broken = [problem(500, "internal")]
    service = service_for(MADE, first={WELL_KNOWN: broken, NEW: list(broken)})
    assert (await outcome(service, MADE)).step == 0


async def test_service_that_is_not_there_is_told() -> None:
    service = service_for(MADE)

    def gone() -> None:
        service.port = 1

    assert "Connection refused" in told(await outcome(service, MADE, before=gone))


async def test_service_with_another_certificate_is_told() -> None:
    other = CertificateAuthority.create("somebody").certificate_pem.decode()
    service = service_for(MADE)
    for authority in (other, ""):
        assert "certificate" in told(await outcome(service, MADE, ca_cert=authority))
    assert service.asked == []


@pytest.mark.parametrize(("attempt", "longest"), [(0.05, 20.0), (5.0, 0.05), (5.0, 0.0)])
async def test_service_that_falls_silent_is_left(attempt: float, longest: float) -> None:
    silent = VendorService()
    silent.first["*"] = [SLOW] * 9
    async with silent.running():
        inputs = Inputs(now=NOW, options=options_of(silent.url, silent.anchors_pem))
        gathering = gatherer(Time(), attempt=attempt, longest=longest)
        answer = (await gathering.gather("cca", MADE.evidence, inputs)).answer
        await gathering.close()
    assert answer is not None
    assert "no whole answer" in answer.silence or "no verdict in 0 s" in answer.silence


def options_of(address: str, ca_cert: str = "", **own: str) -> Options:
    return Options(own={"cca": {"address": address, "ca_cert": ca_cert, **own}})


async def test_plain_http_on_this_machine_needs_nothing() -> None:
    service = service_for(MADE, tls=False)
    assert (await outcome(service, MADE, ca_cert="")).step == 0


@pytest.mark.parametrize(
    "address",
    ["https://v.example", "https://v.example:8443/", "http://127.0.0.1:80", "http://[::1]:1"],
)
def test_address_is_that_of_a_service(address: str) -> None:
    assert base_of(CcaOptions(address=address)) == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "v.example",
        "ftp://v.example",
        "https://",
        "https://user:word@v.example",
        "https://v.example/?tenant=1",
        "https://v.example/#x",
        "https://v.example:port",
        "https://[::1",
        "http://v.example",
        "http://127.0.0.1.example",
        "http://10.0.0.1:8080",
    ],
)
def test_address_that_cannot_be_meant_is_told(address: str) -> None:
    with pytest.raises(InputError, match=r"cca-verifier\.address"):
        converse(MADE.evidence, Inputs(now=NOW, options=options_of(address)))


def test_plain_http_elsewhere_needs_leave_and_a_key_known_beforehand() -> None:
    address = "http://v.example"
    with pytest.raises(InputError, match=r"cca\.allow_http"):
        base_of(CcaOptions(address=address, ear_verification_key="{}"))
    with pytest.raises(InputError, match="ear-verification-key"):
        base_of(CcaOptions(address=address, allow_http=True))
    allowed = CcaOptions(address=address, allow_http=True, ear_verification_key="{}")
    assert base_of(allowed) == address


def test_nobody_is_talked_to_unless_an_option_names_a_service() -> None:
    assert converse(MADE.evidence, Inputs(now=NOW)) is None


# Any bytes at all

DOCUMENTS = [
    msgspec.json.encode(one)
    for one in (
        {"service-state": "READY", "api-endpoints": {"newChallengeResponseSession": "/n"}},
        {"nonce": "AAAA", "expiry": NOW, "accept": [MEDIA_TYPE], "status": "complete"},
    )
]


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Bytes, or a document with a few bytes changed."""
    if draw(st.booleans()):
        return draw(st.binary())
    found = bytearray(draw(st.sampled_from(DOCUMENTS)))
    for at, value in draw(st.dictionaries(st.integers(0, 60), st.integers(0, 255))).items():
        found[at] = value
    return bytes(found)


@given(documents(), st.just(bytes(3)) | st.binary(max_size=64))
def test_any_documents_at_all_are_read_or_are_the_services_fault(
    raw: bytes, challenge: bytes
) -> None:
    with suppress(PeerError):
        Discovery.parse(raw, "w").new_session("w")
    with suppress(PeerError):
        session = Session.parse(raw, "w")
        session.require_ours(challenge, "w")
        session.require_open(NOW, "w")
        session.verdict("w")


STATUSES = st.sampled_from([200, 201, 202, 204, 302, 404, 429, 500])
TYPES = st.sampled_from([DISCOVERY, SESSION, "application/problem+json", "", "text/html"])


@given(st.lists(st.tuples(STATUSES, TYPES, documents(), st.text(max_size=20)), max_size=5))
def test_any_replies_at_all_end_the_conversation_with_our_error(
    replies: list[tuple[int, str, bytes, str]],
) -> None:
    found = converse(MADE.evidence, Inputs(now=NOW, options=options_for(Veraison())))
    assert isinstance(found, Conversation)
    asked = [next(found.talk)]
    try:
        for status, media, body, location in replies:
            headers = (("content-type", media), ("location", location))
            asked.append(found.talk.send(Reply(status, headers, body)))
    except (PeerError, StopIteration):
        pass
    assert all(one.url.startswith("https://localhost:0/") for one in asked)
