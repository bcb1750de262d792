import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.wire.eventlog import (
    DIGEST_SIZES,
    EV_NO_ACTION,
    MOST_EVENTS,
    EventLog,
    LoggedEvent,
    encode_event,
    encode_head,
    replay,
)
from casemate.wire.eventlog_json import TYPE_NAMES, to_claim, to_claims
from casemate.wire.tpm import ALG_SHA1, ALG_SHA256, ALG_SHA384
from tests.vectors import vector

GOLDEN = ("CCEL_data", "CCEL_data_ovmf", "CCEL_data_grub", "CCEL_AAEL_alibabacloud")
REPLAYS = {
    "CCEL_data": {1: "2dc712306a963ead", 2: "0fa3be56af61208b"},
    "CCEL_data_ovmf": {1: "8566f998798db094", 2: "775b9f6bfe99f8a3", 3: "94eaf7a7bf398ed8"},
    "CCEL_data_grub": {1: "cec0a104f691f60d", 2: "6c289e0c62182d41", 3: "08919d017ba0e52c"},
    "CCEL_data_gcp": {1: "3300980705adf09d", 2: "204d49f78d29918f"},
    "CCEL_AAEL_alibabacloud": {
        1: "b796e1c11396c198",
        2: "3b0b906140fcea68",
        3: "35f2801338c1b5fc",
        4: "5e4ecd49d3c7983d",
    },
    "gtdx_cos_113_ccel.dat": {
        1: "3fa2f61f395b7f5f",
        2: "f62dbc072bd5d3f3",
        3: "4969684dc87381fc",
    },
}
BANKS = ((ALG_SHA1, 20), (ALG_SHA256, 32))
EVENTS = st.builds(
    LoggedEvent,
    st.integers(0, 23),
    st.sampled_from(sorted(TYPE_NAMES)),
    st.tuples(*(st.tuples(st.just(a), st.binary(min_size=s, max_size=s)) for a, s in BANKS)),
    st.binary(max_size=80),
)
LOGS = st.builds(EventLog, st.just(BANKS), st.lists(EVENTS, max_size=5).map(tuple))


@pytest.mark.parametrize("name", GOLDEN)
def test_json_form_is_upstreams(name: str) -> None:
    log = EventLog.parse(vector("eventlog", name).read_bytes())
    golden = json.loads(vector("eventlog", f"{name}_out.json").read_text())
    assert {"uefi_event_logs": to_claims(log)} == golden


@pytest.mark.parametrize("name", REPLAYS)
def test_real_logs_replay_to_their_registers(name: str) -> None:
    log = EventLog.parse(vector("eventlog", name).read_bytes())
    found = replay(log.events, ALG_SHA384)
    assert {index: value.hex()[:16] for index, value in found.items()} == REPLAYS[name]


def test_swapped_dropped_or_changed_entry_replays_to_something_else() -> None:
    log = EventLog.parse(vector("eventlog", "CCEL_data_grub").read_bytes())
    one, two, *rest = log.events
    changed = LoggedEvent(one.register, one.kind, ((ALG_SHA384, bytes(48)),), one.data)
    true = replay(log.events, ALG_SHA384)
    for events in ([two, one, *rest], [two, *rest], [changed, two, *rest]):
        assert replay(events, ALG_SHA384) != true


@pytest.mark.parametrize("size", [0, 31, 32, 69, 70, 100, 500, 9000])
def test_cut_log_is_shorter_or_refused(size: int) -> None:
    raw = vector("eventlog", "CCEL_data").read_bytes()
    whole = EventLog.parse(raw)
    with suppress(PeerError):
        events = EventLog.parse(raw[:size]).events
        assert events == whole.events[: len(events)]


def test_no_action_extends_nothing_but_names_the_locality() -> None:
    digest = ((ALG_SHA256, bytes(32)),)
    locality = LoggedEvent(0, EV_NO_ACTION, digest, b"StartupLocality\0\3")
    other = LoggedEvent(1, EV_NO_ACTION, digest, b"")
    separator = LoggedEvent(0, 4, digest, b"")
    assert replay([other], ALG_SHA256) == {}
    assert replay([locality, separator], ALG_SHA256) != replay([separator], ALG_SHA256)


def test_entry_without_a_digest_of_the_bank_is_refused() -> None:
    with pytest.raises(PeerError):
        replay([LoggedEvent(0, 4, ((ALG_SHA1, bytes(20)),), b"")], ALG_SHA256)


def test_one_digest_twice_in_an_entry_is_refused() -> None:
    event = LoggedEvent(0, 4, ((ALG_SHA256, bytes(32)),) * 2, b"")
    with pytest.raises(PeerError):
        EventLog.parse(encode_head(BANKS) + encode_event(event))


def test_endless_log_is_refused() -> None:
    event = encode_event(LoggedEvent(1, 4, (), b""))
    with pytest.raises(PeerError, match="at most"):
        EventLog.parse(encode_head(BANKS) + event * (MOST_EVENTS + 1))


def test_first_entry_without_the_spec_id_is_refused() -> None:
    with pytest.raises(PeerError, match="Spec ID"):
        EventLog.parse(encode_head(BANKS).replace(b"Spec ID Event03", b"Spec ID Event02"))


@pytest.mark.parametrize(
    ("kind", "data", "details"),
    [
        (0xD, b"MokList\0", {"string": "MokList"}),
        (0xD, b".\0l\0i\0n\0u\0x\0\0\0", {"string": "linux"}),
        (0xD, b"\xff\xfe", {"string": "fffe"}),
        (0xA, b"td\x10hob\0", {"string": "td hob"}),
        (0xA, b"\xff\0", {"string": ""}),
        (
            6,
            b'LEAA\x0f\0\0\0a b {"c": [1]}  ',
            {
                "string": 'a b {"c": [1]} ',
                "unicode_name": "AAEL",
                "data": {"domain": "a", "operation": "b", "content": {"c": [1]}},
            },
        ),
        (0x80000003, bytes(32), {}),
        (4, bytes(4), {}),
        (0x70000000, b"", {}),
    ],
)
def test_details_of_an_entry(kind: int, data: bytes, details: object) -> None:
    assert to_claim(LoggedEvent(0, kind, (), data))["details"] == details


@given(LOGS)
def test_log_survives_the_wire(log: EventLog) -> None:
    stop = any(encode_event(e)[:8] == bytes(8) for e in log.events)
    if not stop:
        assert EventLog.parse(log.encode()) == log


@given(st.binary(max_size=600))
def test_any_bytes_at_all_raise_only_our_error(data: bytes) -> None:
    for raw in (data, encode_head(BANKS) + data):
        with suppress(PeerError):
            to_claims(EventLog.parse(raw))


@given(LOGS, st.data())
@settings(deadline=None)
def test_changed_log_is_read_or_refused(log: EventLog, data: st.DataObject) -> None:
    raw = bytearray(log.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(PeerError):
        parsed = EventLog.parse(bytes(raw))
        to_claims(parsed)
        for algorithm in DIGEST_SIZES:
            with suppress(PeerError):
                replay(parsed.events, algorithm)
