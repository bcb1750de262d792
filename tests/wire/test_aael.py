import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError, PeerError
from casemate.wire import aael
from casemate.wire.eventlog import STOP_MARK, EventLog, replay
from casemate.wire.eventlog_json import to_claims
from casemate.wire.tpm import ALG_SHA256, ALG_SHA384, ALG_SHA512, ALG_SM3
from tests.vectors import vector

ALGORITHMS = {"sha256": ALG_SHA256, "sha384": ALG_SHA384, "sha512": ALG_SHA512}
EVENT = aael.tagged_event("domain", "operation", "content")


def test_events_and_entries_are_upstreams_bytes() -> None:
    for row in json.loads(vector("guest", "tables", "aael.json").read_text()):
        algorithm = ALGORITHMS[row["alg"]]
        event = aael.tagged_event(*row["event"].split(" ", 2))
        assert event.hex() == row["tagged_event_hex"]
        assert aael.digest(event, algorithm).hex() == row["digest"]
        assert aael.entry(2, event, algorithm).hex() == row["entry_hex_mr2"]


def test_pulled_image_is_spelled_with_one_space_and_no_escapes() -> None:
    content = aael.pull_image_content("host:1/a:b", "sha256:00")
    assert content == '{"image":"host:1/a:b", "digest":"sha256:00"}'


@pytest.mark.parametrize(
    "words", [("a b", "o", "c"), ("d", "a b", "c"), ("d", "o", "a\nb"), ("d", "o", "c" * 70_000)]
)
def test_events_that_could_be_read_in_two_ways_are_refused(words: tuple[str, str, str]) -> None:
    with pytest.raises(InputError):
        aael.tagged_event(*words)


@settings(max_examples=100)
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_words_are_an_event_or_an_input_error(domain: str, operation: str, text: str) -> None:
    try:
        event = aael.tagged_event(domain, operation, text)
    except InputError:
        return
    assert int.from_bytes(event[4:8], "little") == len(event) - 8


def test_digest_is_of_the_whole_event_field() -> None:
    known = "46df8dacf00a07d34a83cdf56d7978697790787cf2ba1432ef7c38f22cd96351"
    assert aael.digest(EVENT, ALG_SHA256).hex() == known
    wide = aael.digest(EVENT, ALG_SHA384).hex()
    assert wide.startswith("dad5f0e22631")
    assert wide.endswith("d02")


@pytest.mark.parametrize("algorithm", [ALG_SHA384, ALG_SM3])
def test_log_without_firmware_begins_with_upstreams_head(algorithm: int) -> None:
    whole = aael.join(None, aael.entry(4, EVENT, algorithm))
    assert whole is not None
    assert len(aael.LONE_HEAD) == 69
    log = EventLog.parse(whole)
    assert log.algorithms == ((ALG_SHA384, 48), (ALG_SM3, 32))
    assert to_claims(log)[0]["details"]["data"]["domain"] == "domain"
    assert to_claims(log)[0]["digest_matches_event"]
    assert list(replay(log.events, algorithm)) == [4]


def test_own_entries_follow_those_of_firmware() -> None:
    area = vector("eventlog", "CCEL_data").read_bytes()
    whole = aael.join(area, aael.entry(4, EVENT, ALG_SHA384))
    assert whole is not None
    assert whole.endswith(STOP_MARK)
    found = EventLog.parse(whole)
    assert found.events[:-1] == EventLog.parse(area).events
    assert found.events[-1].data == EVENT


def test_where_nothing_was_measured_there_is_no_log() -> None:
    assert aael.join(None, None) is None


def test_firmware_log_without_a_stop_mark_is_refused() -> None:
    area = vector("eventlog", "CCEL_data").read_bytes()
    with pytest.raises(PeerError, match="stop mark"):
        aael.join(area[:9822], None)


def test_log_that_no_verifier_would_read_is_refused() -> None:
    with pytest.raises(InputError, match="at most"):
        aael.join(None, bytes(1 << 20))
