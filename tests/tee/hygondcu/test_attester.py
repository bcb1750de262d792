from pathlib import Path

import pytest

from casemate.errors import HostError, InputError
from casemate.linux.mkfd import DEVICE, Mkfd
from casemate.tee.hygondcu.attester import DcuAttester, open_attester
from casemate.tee.hygondcu.report import parse
from casemate.tee.machine import Machine
from tests.sim.devices.mkfd import FakeMkfd
from tests.sim.simulated_tee import SimulatedTee

REPORT_DATA = bytes(range(48))


def attester(tmp_path: Path, fake: FakeMkfd, *numbers: int) -> DcuAttester:
    for node, number in enumerate((0, *numbers)):
        (tmp_path / str(node)).mkdir()
        (tmp_path / str(node) / "gpu_id").write_text(f"{number}\n")
    return DcuAttester(Mkfd(DEVICE, tmp_path, open_device=fake.open))


def test_report_of_an_accelerator_is_verified(tmp_path: Path) -> None:
    tee = SimulatedTee("hygondcu")
    fake = FakeMkfd({7: lambda data: tee.binary(report_data=data.hex())})
    made = attester(tmp_path, fake, 7)
    found = tee.accepted(made.evidence(REPORT_DATA), REPORT_DATA)
    assert (made.tee, found.tee_class) == ("hygondcu", "dcu")


def test_every_accelerator_reports(tmp_path: Path) -> None:
    tee = SimulatedTee("hygondcu")
    fake = FakeMkfd({n: lambda data: tee.binary(report_data=data.hex()) for n in (7, 8)})
    assert len(parse(attester(tmp_path, fake, 7, 8).evidence(REPORT_DATA))) == 2


def test_machine_without_accelerators_or_with_a_dead_one_gives_nothing(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no accelerator"):
        attester(tmp_path, FakeMkfd({})).evidence(REPORT_DATA)
    with pytest.raises(HostError, match="no accelerator"):
        open_attester(Machine.this({}, root=tmp_path)).evidence(REPORT_DATA)


def test_dead_accelerator_is_no_smaller_evidence(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="DCU 7"):
        attester(tmp_path, FakeMkfd({}), 7).evidence(REPORT_DATA)


def test_too_much_report_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="65 bytes"):
        attester(tmp_path, FakeMkfd({})).evidence(bytes(65))
