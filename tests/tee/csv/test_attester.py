from pathlib import Path

import msgspec
import pytest

from casemate.crypto.digest import sha256
from casemate.crypto.sm3 import sm3
from casemate.errors import HostError, InputError
from casemate.linux.csv_guest import CsvGuest
from casemate.tee.csv.attester import CsvAttester, open_attester
from casemate.tee.machine import Machine
from casemate.wire.eventlog import STOP_MARK
from tests.sim.devices.csv_guest import FakeCsvGuest
from tests.sim.simulated_tee import SimulatedTee

REPORT_DATA = bytes(range(48))
CCEL = "/sys/firmware/acpi/tables/data/CCEL"
DIGEST = sm3(b"event")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine.this({}, root=tmp_path)


def device(tee: SimulatedTee, *, registers: bool = True) -> FakeCsvGuest:
    def report(version: int, data: bytes, nonce: bytes) -> bytes:
        fields = {"report.mnonce": nonce.hex(), "version": str(version)}
        return tee.binary(report_data=data.hex(), **fields)

    return FakeCsvGuest(report, registers=registers)


def attester(fake: FakeCsvGuest, machine: Machine) -> CsvAttester:
    return CsvAttester(CsvGuest(open_device=fake.open), machine)


def test_report_of_version_2_is_verified_with_its_log(machine: Machine) -> None:
    tee = SimulatedTee("csv")
    tee.binary(version="2")
    assert tee.last is not None
    log = msgspec.json.decode(tee.last.evidence, type=dict[str, msgspec.Raw])["cc_eventlog"]
    machine.path(CCEL).parent.mkdir(parents=True)
    machine.path(CCEL).write_bytes(msgspec.json.decode(log, type=bytes) + STOP_MARK)
    made = attester(device(tee), machine)
    found = tee.accepted(made.evidence(REPORT_DATA), REPORT_DATA)
    assert (made.tee, found.claims["version"]) == ("csv", "2")
    assert len(found.claims["uefi_event_logs"]) == 4


def test_old_firmware_gives_version_1(machine: Machine) -> None:
    tee = SimulatedTee("csv")
    made = attester(device(tee, registers=False), machine)
    found = tee.accepted(made.evidence(REPORT_DATA), REPORT_DATA)
    assert found.claims["version"] == "1"
    assert not made.has_registers


def test_chips_certificates_travel_along_when_asked_for(tmp_path: Path) -> None:
    machine = Machine.this({"CSV_INCLUDE_CERT_CHAIN_IN_ATTESTATION_REPORT": "true"}, root=tmp_path)
    tee = SimulatedTee("csv")
    made = attester(device(tee, registers=False), machine)
    with pytest.raises(HostError, match="HSK and CEK"):
        made.evidence(REPORT_DATA)
    assert tee.last is not None
    ((name, body),) = tee.last.collateral.items()
    file = machine.path("/opt/hygon/csv") / name
    file.parent.mkdir(parents=True)
    file.write_bytes(body[:-1])
    with pytest.raises(HostError, match="2915 bytes"):
        made.evidence(REPORT_DATA)
    file.write_bytes(body)
    chain = msgspec.json.decode(made.evidence(REPORT_DATA))["cert_chain"]
    assert set(chain) == {"pek", "hsk_cek"}


@pytest.mark.parametrize("wrong", ["report.mnonce", "signer.mac"])
def test_answer_to_another_request_is_refused(machine: Machine, wrong: str) -> None:
    tee = SimulatedTee("csv")

    def report(version: int, data: bytes, nonce: bytes) -> bytes:
        size = {"report.mnonce": 16, "signer.mac": 32}[wrong]
        own = {"report.mnonce": nonce.hex()} | {wrong: "ab" * size}
        return tee.binary(report_data=data.hex(), version=str(version), **own)

    with pytest.raises(HostError, match="another request"):
        attester(FakeCsvGuest(report), machine).evidence(REPORT_DATA)


def test_registers_are_extended_by_their_own_numbers(machine: Machine) -> None:
    fake = device(SimulatedTee("csv"))
    attester(fake, machine).extend(0, DIGEST)
    assert fake.registers[0] == sm3(bytes(32) + DIGEST)
    for register, digest in ((5, DIGEST), (-1, DIGEST), (1, bytes(48))):
        with pytest.raises(InputError, match="register"):
            attester(fake, machine).extend(register, digest)


def test_initdata_cannot_be_bound(machine: Machine) -> None:
    with pytest.raises(HostError, match="no field"):
        attester(device(SimulatedTee("csv")), machine).bind_init_data(sha256(b""))


def test_bare_machine_says_what_it_lacks(machine: Machine) -> None:
    with pytest.raises(HostError, match="csv-guest"):
        open_attester(machine).evidence(REPORT_DATA)
