from pathlib import Path

import msgspec
import pytest

from casemate.crypto.digest import sha256
from casemate.errors import HostError, InputError, PeerError
from casemate.linux.configfs_tsm import ConfigfsTsm
from casemate.linux.sev_guest import SevGuest
from casemate.tee.machine import Machine
from casemate.tee.snp import certificate_table
from casemate.tee.snp.attester import SnpAttester, open_attester
from casemate.tee.snp.evidence import SnpEvidence
from tests.sim.devices.configfs import FakeConfigfs
from tests.sim.devices.sev_guest import FakeSevGuest
from tests.sim.simulated_tee import SimulatedTee

REPORT_DATA = bytes(range(48))
INIT_DATA = sha256(b"initdata")


def device(tee: SimulatedTee, table: bytes = b"") -> FakeSevGuest:
    return FakeSevGuest(lambda data: tee.binary(report_data=data.hex()), table)


def attester(fake: FakeSevGuest) -> SnpAttester:
    return SnpAttester(SevGuest(open_device=fake.open).extended_report)


@pytest.mark.parametrize(
    "fields", [{}, {"product": "Genoa"}, {"product": "Turin"}, {"version": "5"}]
)
def test_report_of_the_device_is_verified(fields: dict[str, str]) -> None:
    tee = SimulatedTee("snp", init_data=INIT_DATA.hex, **fields)
    made = attester(device(tee))
    made.bind_init_data(INIT_DATA)
    found = tee.accepted(made.evidence(REPORT_DATA), REPORT_DATA, INIT_DATA)
    assert made.tee == found.tee == "snp"
    assert found.report_data == REPORT_DATA.ljust(64, b"\0")


def test_certificates_of_the_host_travel_along() -> None:
    tee = SimulatedTee("snp")
    table = certificate_table.encode([("VCEK", b"vcek"), ("ASK", b"ask")])
    evidence = SnpEvidence.parse(attester(device(tee, table)).evidence(REPORT_DATA))
    assert evidence.cert_chain is not None
    assert [(c.cert_type, c.der()) for c in evidence.cert_chain] == [
        ("VCEK", b"vcek"),
        ("ASK", b"ask"),
    ]


def test_host_without_certificates_sends_none() -> None:
    evidence = attester(device(SimulatedTee("snp"))).evidence(REPORT_DATA)
    assert msgspec.json.decode(evidence)["cert_chain"] is None


def test_configfs_is_an_equal_route() -> None:
    tee = SimulatedTee("snp")
    table = certificate_table.encode([("ARK", b"ark")])
    tree = FakeConfigfs("sev_guest", lambda data: (tee.binary(report_data=data.hex()), table))
    tsm = ConfigfsTsm(tree=tree)

    def ask(data: bytes) -> tuple[bytes, bytes]:
        found = tsm.report("sev_guest", data, privilege=0)
        return found.report, found.auxiliary

    evidence = SnpAttester(ask).evidence(REPORT_DATA)
    assert SnpEvidence.parse(evidence).cert_chain is not None


def test_other_host_data_is_found_out_before_the_network() -> None:
    for fields in ({}, {"init_data": sha256(b"other").hex}):
        made = attester(device(SimulatedTee("snp", **fields)))
        with pytest.raises(HostError, match="HOST_DATA"):
            made.bind_init_data(INIT_DATA)


def test_too_much_report_data_is_refused() -> None:
    with pytest.raises(InputError, match="65 bytes"):
        attester(device(SimulatedTee("snp"))).evidence(bytes(65))


def test_device_that_answers_no_report_is_refused() -> None:
    fake = FakeSevGuest(lambda _: b"\xff" * 1184)
    with pytest.raises(PeerError):
        attester(fake).evidence(REPORT_DATA)
    with pytest.raises(PeerError):
        attester(device(SimulatedTee("snp"), b"\xff" * 64)).evidence(REPORT_DATA)


def test_there_are_no_registers() -> None:
    made = attester(device(SimulatedTee("snp")))
    assert not made.has_registers
    with pytest.raises(HostError, match="registers"):
        made.extend(4, bytes(48))


def test_machine_is_asked_by_device_or_by_configfs(tmp_path: Path) -> None:
    machine = Machine.this({}, root=tmp_path)
    with pytest.raises(HostError, match="tsm/report"):
        open_attester(machine).evidence(REPORT_DATA)
    machine.path("/dev").mkdir()
    machine.path("/dev/sev-guest").touch()
    with pytest.raises(HostError, match="dev/sev-guest"):
        open_attester(machine).evidence(REPORT_DATA)
