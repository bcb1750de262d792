"""Logs whose digests replay to what was signed, while an entry says something else."""

from base64 import b64decode

import msgspec
import pytest

from casemate.errors import VerificationError
from casemate.wire.eventlog import EventLog, LoggedEvent
from casemate.wire.tpm import ALG_SHA384, ALG_SM3
from tests.sim.simulated_tee import SimulatedTee

REPORT_DATA = bytes(range(48))
TEES: tuple[tuple[str, int, dict[str, str]], ...] = (
    ("tdx", ALG_SHA384, {}),
    ("csv", ALG_SM3, {"version": "2"}),
)


def own_log(tee: SimulatedTee) -> EventLog:
    tee.binary()
    assert tee.last is not None
    evidence = msgspec.json.decode(tee.last.evidence, type=dict[str, msgspec.Raw])
    return EventLog.parse(b64decode(msgspec.json.decode(evidence["cc_eventlog"])))


def with_log(name: str, log: EventLog, fields: dict[str, str]) -> tuple[SimulatedTee, bytes]:
    """Give evidence that came with another log, which nothing signs by itself."""
    tee = SimulatedTee(name, **fields)
    tee.binary(report_data=REPORT_DATA.hex())
    assert tee.last is not None
    evidence = msgspec.json.decode(tee.last.evidence, type=dict[str, msgspec.Raw])
    own = {"cc_eventlog": msgspec.Raw(msgspec.json.encode(log.encode()))}
    return tee, msgspec.json.encode(evidence | own)


@pytest.mark.parametrize(("name", "bank", "fields"), TEES)
def test_entry_that_says_what_was_not_measured_refuses_the_evidence(
    name: str, bank: int, fields: dict[str, str]
) -> None:
    log = own_log(SimulatedTee(name, **fields))
    first = next(event for event in log.events if event.register)
    digest = first.digest(bank) or b""
    for data in (b"LEAA\5\0\0\0a b c", b"LEAA\xff\xff\0\0a b c", b"\xff"):
        forged = LoggedEvent(first.register, 6, ((bank, digest),), data)
        events = tuple(forged if event is first else event for event in log.events)
        tee, evidence = with_log(name, EventLog(log.algorithms, events), fields)
        with pytest.raises(VerificationError) as caught:
            tee.accepted(evidence, REPORT_DATA)
        assert caught.value.refusal.step.endswith("event log")


@pytest.mark.parametrize(("name", "bank", "fields"), TEES)
def test_entry_of_register_0_is_no_claim(name: str, bank: int, fields: dict[str, str]) -> None:
    log = own_log(SimulatedTee(name, **fields))
    size = dict(log.algorithms)[bank]
    stranger = LoggedEvent(0, 4, ((bank, bytes(size)),), b"anything")
    events = (stranger, *log.events)
    tee, evidence = with_log(name, EventLog(log.algorithms, events), fields)
    claims = tee.accepted(evidence, REPORT_DATA).claims["uefi_event_logs"]
    assert len(claims) == len(log.events)
    assert all(claim["index"] for claim in claims)
