import hashlib
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest

from casemate.crypto.digest import Algorithm, Digest, sha256
from casemate.errors import HostError, InputError, PeerError
from casemate.guest.attestation.measurements import Measurements, Outcome
from casemate.guest.attestation.settings import EventLogSettings
from casemate.linux.configfs_tsm import ConfigfsTsm
from casemate.linux.tdx_guest import DEVICE, TdxGuest
from casemate.tee.machine import Machine
from casemate.tee.tdx.attester import TdxAttester, open_attester
from casemate.wire import aael
from casemate.wire.eventlog import STOP_MARK, EventLog
from casemate.wire.tpm import ALG_SHA384
from tests.sim.devices.configfs import FakeConfigfs
from tests.sim.devices.tdx_guest import FakeTdxGuest
from tests.sim.simulated_tee import SimulatedTee

REPORT_DATA = bytes(range(48))
INIT_DATA = Digest.of(b"initdata", Algorithm.SHA384)
CCEL = "/sys/firmware/acpi/tables/data/CCEL"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine.this({}, root=tmp_path)


def put(machine: Machine, path: str, content: bytes) -> None:
    machine.path(path).parent.mkdir(parents=True, exist_ok=True)
    machine.path(path).write_bytes(content)


def simulated_log(tee: SimulatedTee) -> bytes:
    tee.binary()
    assert tee.last is not None
    return b64decode(msgspec.json.decode(tee.last.evidence)["cc_eventlog"])


def attester(tee: SimulatedTee, machine: Machine, guest: FakeTdxGuest | None = None) -> TdxAttester:
    fake = guest or FakeTdxGuest()
    tree = FakeConfigfs("tdx_guest", lambda data: (tee.binary(report_data=data.hex()), b""))
    registers = TdxGuest(DEVICE, machine.path("/measurements"), open_device=fake.open)
    return TdxAttester(ConfigfsTsm(tree=tree), registers, machine)


def test_quote_and_firmware_log_are_verified(machine: Machine) -> None:
    tee = SimulatedTee("tdx")
    put(machine, CCEL, simulated_log(tee).removesuffix(STOP_MARK) + STOP_MARK + b"\xff" * 500)
    made = attester(tee, machine)
    found = tee.accepted(made.evidence(REPORT_DATA), REPORT_DATA)
    assert made.tee == found.tee == "tdx"
    assert found.claims["uefi_event_logs"]


def test_own_entries_follow_the_firmwares(machine: Machine) -> None:
    tee = SimulatedTee("tdx")
    put(machine, CCEL, simulated_log(tee).removesuffix(STOP_MARK) + STOP_MARK)
    event = aael.tagged_event("a", "b", "c")
    put(machine, "/run/attestation-agent/eventlog", aael.entry(4, event, ALG_SHA384))
    log = msgspec.json.decode(attester(tee, machine).evidence(REPORT_DATA))["cc_eventlog"]
    assert EventLog.parse(b64decode(log)).events[-1].data == event


def test_own_log_may_lie_elsewhere(tmp_path: Path) -> None:
    machine = Machine.this({"AAEL_PATH": "/own"}, root=tmp_path)
    put(machine, "/own", aael.entry(4, aael.tagged_event("a", "b", "c"), ALG_SHA384))
    log = msgspec.json.decode(attester(SimulatedTee("tdx"), machine).evidence(b""))["cc_eventlog"]
    assert len(EventLog.parse(b64decode(log)).events) == 1


def test_machine_without_any_log_sends_none(machine: Machine) -> None:
    evidence = msgspec.json.decode(attester(SimulatedTee("tdx"), machine).evidence(REPORT_DATA))
    assert evidence["cc_eventlog"] is None


def test_firmware_log_that_cannot_be_understood_is_refused(machine: Machine) -> None:
    put(machine, CCEL, b"nonsense")
    with pytest.raises(PeerError, match="event log"):
        attester(SimulatedTee("tdx"), machine).evidence(REPORT_DATA)


def test_log_that_cannot_be_read_is_refused(machine: Machine) -> None:
    machine.path(CCEL).mkdir(parents=True)
    with pytest.raises(HostError, match="event log to read"):
        attester(SimulatedTee("tdx"), machine).evidence(REPORT_DATA)


def test_initdata_is_what_the_host_gave_at_launch(machine: Machine) -> None:
    guest = FakeTdxGuest(config_id=INIT_DATA.value)
    attester(SimulatedTee("tdx"), machine, guest).bind_init_data(INIT_DATA)
    short = sha256(b"initdata")
    padded = FakeTdxGuest(config_id=short.value.ljust(48, b"\0"))
    attester(SimulatedTee("tdx"), machine, padded).bind_init_data(short)
    with pytest.raises(HostError, match="MRCONFIGID"):
        attester(SimulatedTee("tdx"), machine, guest).bind_init_data(short)


def test_event_is_extended_and_logged_as_the_register_counts(machine: Machine) -> None:
    guest = FakeTdxGuest(extends=True)
    made = attester(SimulatedTee("tdx"), machine, guest)
    log = machine.path("/run/attestation-agent/eventlog")
    measured = Measurements(made, EventLogSettings(enable_eventlog=True), log=log)
    assert measured.extend("domain", "operation", "content") is Outcome.DONE
    digest = aael.digest(aael.tagged_event("domain", "operation", "content"), ALG_SHA384)
    assert guest.registers[3] == hashlib.sha384(bytes(48) + digest).digest()
    assert EventLog.parse(aael.LONE_HEAD + log.read_bytes()).events[0].register == 4
    assert measured.extend("d", "o", "c", 8) is Outcome.DONE
    assert guest.registers[2] != bytes(48)


def test_old_kernel_measures_nothing_at_run_time(machine: Machine) -> None:
    made = attester(SimulatedTee("tdx"), machine)
    measured = Measurements(made, EventLogSettings(enable_eventlog=True), log=machine.path("/log"))
    assert measured.extend("d", "o", "c") is Outcome.NOT_SUPPORTED


@pytest.mark.parametrize(("register", "size"), [(0, 48), (5, 48), (4, 32)])
def test_register_and_digest_must_be_of_tdx(machine: Machine, register: int, size: int) -> None:
    with pytest.raises(InputError, match="register"):
        attester(SimulatedTee("tdx"), machine).extend(register, bytes(size))


def test_too_much_report_data_is_refused(machine: Machine) -> None:
    with pytest.raises(InputError, match="65 bytes"):
        attester(SimulatedTee("tdx"), machine).evidence(bytes(65))


def test_bare_machine_says_what_it_lacks(machine: Machine) -> None:
    with pytest.raises(HostError, match="tsm/report"):
        open_attester(machine).evidence(REPORT_DATA)
