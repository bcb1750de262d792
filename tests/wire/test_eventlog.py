import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import PeerError
from casemate.wire import aael
from casemate.wire.eventlog import (
    DIGEST_SIZES,
    EV_NO_ACTION,
    LARGEST_EVENT,
    LARGEST_LOG,
    MOST_EVENTS,
    STOP_MARK,
    EventLog,
    LoggedEvent,
    cut,
    encode_event,
    encode_head,
    hash_of,
    replay,
    require_registers,
)
from casemate.wire.eventlog_json import TYPE_NAMES, to_claim, to_claims
from casemate.wire.tpm import ALG_SHA1, ALG_SHA256, ALG_SHA384, ALG_SHA512, ALG_SM3
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
        (0x1, b"POST CODE", {"string": "POST CODE"}),
        (6, b"\xec\x22\x3b\x8f\4\0\0\0a\xffb\0", {"string": "a\N{REPLACEMENT CHARACTER}b"}),
        (0x8000000A, b"\4abc" + bytes(16), {"string": "abc"}),
        (0x8000000B, b"\1", {"string": ""}),
        (0x80000003, bytes(32), {}),
        (4, bytes(4), {}),
        (0x70000000, b"", {}),
    ],
)
def test_details_of_an_entry(kind: int, data: bytes, details: object) -> None:
    assert to_claim(LoggedEvent(0, kind, (), data))["details"] == details


def own(content: str, *, digest: bytes | None = None) -> LoggedEvent:
    event = aael.tagged_event("a", "b", content)
    return LoggedEvent(4, 6, ((ALG_SHA384, digest or aael.digest(event, ALG_SHA384)),), event)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('{"c": [1]}', {"c": [1]}),
        ("plain text, with spaces", "plain text, with spaces"),
        ("12", 12),
        ('"quoted"', "quoted"),
        ("{", "{"),
        ("", ""),
        ("[" * 128 + "]" * 128, None),
        ("[" * 129 + "]" * 129, "[" * 129 + "]" * 129),
        ("[" * 9999 + "]" * 9999, "[" * 9999 + "]" * 9999),
        ("[" + "[]," * 200 + "0]", [[]] * 200 + [0]),
        ("[" + "{}," * 200 + "0]", [{}] * 200 + [0]),
        ('{"a":' * 200 + "1" + "}" * 200, '{"a":' * 200 + "1" + "}" * 200),
        ("9" * 5000, "9" * 5000),
        ('"\\ud800"', '"\\ud800"'),
    ],
)
def test_content_of_an_own_entry_is_json_where_it_can_be(content: str, shown: object) -> None:
    details = to_claim(own(content))["details"]
    assert details["unicode_name"] == "AAEL"
    assert details["string"] == f"a b {content}"
    data = details["data"]
    assert (data["domain"], data["operation"]) == ("a", "b")
    assert shown is None or data["content"] == shown
    json.dumps(details)


def test_own_entry_that_was_not_measured_is_refused() -> None:
    for digest in (bytes(48), hash_of(ALG_SHA384)(b"a b c").digest()):
        with pytest.raises(PeerError, match="measured"):
            to_claim(own("c", digest=digest))
        assert to_claim(own("c", digest=digest), strict=False)["details"] == {}
    with pytest.raises(PeerError, match="measured"):
        to_claim(LoggedEvent(4, 6, (), own("c").data))


def test_own_entry_on_two_lines_is_refused() -> None:
    event = b"LEAA\5\0\0\0a b\nc"
    digest = hash_of(ALG_SHA384)(event).digest()
    with pytest.raises(PeerError, match="one line"):
        to_claim(LoggedEvent(4, 6, ((ALG_SHA384, digest),), event))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (0x1, b"\xff"),
        (0x80000007, b"\xff"),
        (0x6, b"\0\0\0"),
        (0x6, b"\0\0\0\0\5\0\0\0abcd"),
        (0x6, b"\0\0\0\0\xff\xff\xff\xffabcd"),
        (0xD, b""),
        (0xD, b".\0"),
        (0xD, b".\0\0"),
        (0x80000001, bytes(31)),
        (0x80000001, bytes(16) + (1).to_bytes(8, "little") + bytes(8)),
        (0x80000001, bytes(16) + b"\xff" * 8 + bytes(8)),
        (0x80000001, bytes(24) + b"\xff" * 8),
        (0x80000001, bytes(16) + (1).to_bytes(8, "little") + bytes(8) + b"\0\xd8"),
        (0x80000003, bytes(31)),
        (0x80000003, bytes(24) + (1).to_bytes(8, "little") + bytes(8)),
        (0x80000003, bytes(24) + (4).to_bytes(8, "little") + bytes(8)),
        (0x80000003, bytes(24) + (12).to_bytes(8, "little") + b"\1\1\3\0" + bytes(8)),
        (0x80000003, bytes(24) + b"\xff" * 8 + bytes(8)),
        (0x8000000A, b""),
        (0x8000000A, b"\0abc"),
        (0x8000000A, b"\xffabc"),
        (0x8000000A, b"\2\xff"),
    ],
)
def test_event_whose_own_lengths_or_text_do_not_fit_is_refused(kind: int, data: bytes) -> None:
    event = LoggedEvent(1, kind, ((ALG_SHA384, bytes(48)),), data)
    with pytest.raises(PeerError, match=TYPE_NAMES[kind]):
        to_claim(event)
    assert to_claim(event, strict=False)["details"] == {}


def test_digests_of_every_bank_are_compared() -> None:
    data = bytes(4)
    right = tuple((bank, hash_of(bank)(data).digest()) for bank in DIGEST_SIZES)
    assert to_claim(LoggedEvent(1, 4, right, data))["digest_matches_event"]
    for at, (bank, digest) in enumerate(right):
        wrong = (*right[:at], (bank, bytes(len(digest))), *right[at + 1 :])
        assert not to_claim(LoggedEvent(1, 4, wrong, data))["digest_matches_event"]
    unknown = to_claim(LoggedEvent(1, 4, ((0x27, bytes(32)),), data))
    assert not unknown["digest_matches_event"]
    assert unknown["digests"][0]["alg"] == "0x0027"


@pytest.mark.parametrize("bank", DIGEST_SIZES)
def test_replay_extends_in_order_in_every_bank(bank: int) -> None:
    hashed, size = hash_of(bank), DIGEST_SIZES[bank]
    one, two = hashed(b"1").digest(), hashed(b"2").digest()
    events = [LoggedEvent(3, 4, ((bank, digest),), b"") for digest in (one, two)]
    step = hashed(bytes(size) + one).digest()
    assert replay(events, bank) == {3: hashed(step + two).digest()}
    log = EventLog(((bank, size),), tuple(events))
    assert EventLog.parse(log.encode() + STOP_MARK) == log


def test_sm3_is_the_hash_of_its_standard() -> None:
    known = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert hash_of(ALG_SM3)(b"abc").digest().hex() == known


def test_bank_that_is_no_hash_is_refused() -> None:
    with pytest.raises(PeerError, match="algorithm 0x1"):
        replay([], 1)


def test_signed_registers_must_all_be_explained() -> None:
    event = LoggedEvent(2, 4, ((ALG_SHA512, bytes(64)),), b"")
    log = EventLog(((ALG_SHA512, 64),), (event,))
    value = replay(log.events, ALG_SHA512)[2]
    signed = {1: bytes(64), 2: value, 3: bytes(64)}
    require_registers(log, ALG_SHA512, signed)
    for wrong in ({1: value}, {2: bytes(64)}, {3: b"\1" + bytes(63)}):
        with pytest.raises(PeerError, match="register"):
            require_registers(log, ALG_SHA512, signed | wrong)
    with pytest.raises(PeerError, match=r"registers \[2\]"):
        require_registers(log, ALG_SHA512, {1: bytes(64)})


def test_entries_of_register_0_are_the_builds_and_explain_no_other() -> None:
    built = LoggedEvent(0, 4, ((ALG_SHA384, bytes(48)),), b"")
    require_registers(EventLog(((ALG_SHA384, 48),), (built,)), ALG_SHA384, {1: bytes(48)})


def heads() -> list[bytes]:
    good = encode_head(((ALG_SHA384, 48),))
    size = good[28:32]
    return [
        b"",
        good[:31],
        good[:-1],
        good.replace(b"\3\0\0\0", b"\4\0\0\0", 1),
        good[:28] + b"\xff\xff\xff\xff" + good[32:],
        good[:28] + b"\x10\0\0\0" + good[32:],
        good[:28] + (int.from_bytes(size, "little") + 1).to_bytes(4, "little") + good[32:] + b"\0",
        good[:56] + bytes(4) + good[60:],
        good[:56] + b"\2\0\0\0" + good[60:],
        good[:56] + b"\xff\xff\xff\xff" + good[60:],
        good[:-1] + b"\1",
        encode_head(((ALG_SHA384, 47),)),
        encode_head(((ALG_SHA384, 48), (ALG_SHA384, 48))),
    ]


@pytest.mark.parametrize("head", heads())
def test_head_that_is_not_consumed_exactly_is_refused(head: bytes) -> None:
    with pytest.raises(PeerError):
        EventLog.parse(head)
    with pytest.raises(PeerError):
        cut(head + STOP_MARK)


@pytest.mark.parametrize("banks", [((ALG_SHA384, 48),), BANKS])
def test_every_cut_is_refused_or_the_shorter_log(banks: tuple[tuple[int, int], ...]) -> None:
    digests = tuple((bank, bytes(range(size))) for bank, size in banks)
    log = EventLog(banks, tuple(LoggedEvent(1, 4, digests, b"data") for _ in range(3)))
    raw = log.encode()
    whole = lengths(log)
    for size in range(len(raw)):
        if size in whole:
            assert EventLog.parse(raw[:size]).events == log.events[: whole.index(size)]
        else:
            with pytest.raises(PeerError):
                EventLog.parse(raw[:size])


def lengths(log: EventLog) -> list[int]:
    return [len(EventLog(log.algorithms, log.events[:n]).encode()) for n in range(len(log.events))]


@pytest.mark.parametrize("size", [LARGEST_EVENT + 1, (1 << 32) - 1])
def test_event_that_ends_outside_is_refused(size: int) -> None:
    event = encode_event(LoggedEvent(1, 4, ((ALG_SHA384, bytes(48)),), b""))
    raw = encode_head(((ALG_SHA384, 48),)) + event[:-4] + size.to_bytes(4, "little")
    for filling in (b"", bytes(LARGEST_EVENT + 2)):
        with pytest.raises(PeerError, match="event of"):
            EventLog.parse(raw + filling)


def test_log_larger_than_an_area_is_refused() -> None:
    for reader in (EventLog.parse, cut):
        with pytest.raises(PeerError, match="at most"):
            reader(bytes(LARGEST_LOG + 1))


def test_endless_log_of_one_bank_is_refused() -> None:
    event = encode_event(LoggedEvent(1, 4, ((ALG_SHA256, bytes(32)),), b""))
    with pytest.raises(PeerError, match="at most"):
        EventLog.parse(encode_head(((ALG_SHA256, 32),)) + event * (MOST_EVENTS + 1))


def test_what_follows_a_stop_mark_is_not_read() -> None:
    event = encode_event(LoggedEvent(1, 4, ((ALG_SHA256, bytes(32)),), b""))
    raw = encode_head(((ALG_SHA256, 32),)) + event
    for mark in (STOP_MARK, bytes(8)):
        assert len(EventLog.parse(raw + mark + event).events) == 1
        assert cut(raw + mark + event) == raw


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
