from pathlib import Path

import msgspec
import pytest

from casemate.crypto.digest import sha256
from casemate.errors import HostError, InputError
from casemate.linux.configfs_tsm import ConfigfsTsm
from casemate.tee.cca.attester import CcaAttester, open_attester
from casemate.tee.machine import Machine
from tests.sim.devices.configfs import FakeConfigfs

REPORT_DATA = bytes(range(48))


def attester() -> CcaAttester:
    tree = FakeConfigfs("arm_cca_guest", lambda data: (b"token of " + data, b""))
    return CcaAttester(ConfigfsTsm(tree=tree))


def test_token_is_a_list_of_bytes() -> None:
    evidence = msgspec.json.decode(attester().evidence(REPORT_DATA))
    assert bytes(evidence.pop("token")) == b"token of " + REPORT_DATA.ljust(64, b"\0")
    assert evidence == {}


def test_initdata_is_the_verifiers_to_compare() -> None:
    attester().bind_init_data(sha256(b"initdata"))


def test_too_much_report_data_is_refused() -> None:
    with pytest.raises(InputError, match="65 bytes"):
        attester().evidence(bytes(65))


def test_there_are_no_registers() -> None:
    made = attester()
    assert (made.tee, made.has_registers) == ("cca", False)
    with pytest.raises(HostError, match="registers"):
        made.extend(4, bytes(48))


def test_bare_machine_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="tsm/report"):
        open_attester(Machine.this({}, root=tmp_path)).evidence(REPORT_DATA)
