import errno
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux.configfs_tsm import Configfs, ConfigfsTsm
from tests.sim.devices.configfs import FakeConfigfs

FOLDER = Path("/sys/kernel/config/tsm/report")


def tsm(tree: FakeConfigfs) -> ConfigfsTsm:
    return ConfigfsTsm(FOLDER, tree=tree)


def test_report_comes_and_its_folder_goes() -> None:
    tree = FakeConfigfs("tdx_guest", lambda data: (b"quote of " + data, b""))
    found = tsm(tree).report("tdx_guest", b"d" * 64)
    assert found.report == b"quote of " + b"d" * 64
    assert found.auxiliary == b""
    assert tree.folders == {}


def test_snp_gets_a_privilege_level_and_gives_certificates() -> None:
    tree = FakeConfigfs("sev_guest", lambda data: (data, b"table"))
    assert tsm(tree).report("sev_guest", b"d" * 64, privilege=0) == (b"d" * 64, b"table")
    assert tree.privileges == [b"0\n"]


def test_provider_is_named() -> None:
    tree = FakeConfigfs("arm_cca_guest")
    assert tsm(tree).provider() == "arm_cca_guest"
    assert tree.folders == {}


@pytest.mark.parametrize("act", ["provider", "report"])
def test_without_a_provider_the_module_is_named(act: str) -> None:
    made = tsm(FakeConfigfs(None))
    with pytest.raises(HostError, match="tdx_guest"):
        made.provider() if act == "provider" else made.report("tdx_guest", b"d")


def test_report_of_another_provider_is_refused() -> None:
    tree = FakeConfigfs("sev_guest")
    with pytest.raises(HostError, match="sev_guest, want tdx_guest"):
        tsm(tree).report("tdx_guest", b"d")
    assert tree.folders == {}


def test_somebody_elses_write_is_found_out() -> None:
    tree = FakeConfigfs("tdx_guest")
    tree.intruder = True
    with pytest.raises(HostError, match="generation: got 2, want 1"):
        tsm(tree).report("tdx_guest", b"d" * 64)


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN, errno.EINTR])
def test_passing_trouble_is_tried_again(number: int) -> None:
    tree = FakeConfigfs("tdx_guest")
    tree.failures = [number, number]
    assert tsm(tree).report("tdx_guest", b"d" * 64).report == b"d" * 64
    tree.failures = [number] * 3
    with pytest.raises(HostError):
        tsm(tree).report("tdx_guest", b"d" * 64)


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ETIMEDOUT, "must run"), (errno.EIO, "log of its quote")]
)
def test_host_that_refuses_is_named(number: int, remedy: str) -> None:
    tree = FakeConfigfs("tdx_guest")
    tree.failures = [number]
    with pytest.raises(HostError, match=remedy):
        tsm(tree).report("tdx_guest", b"d" * 64)
    assert tree.folders == {}


def test_empty_answer_is_refused() -> None:
    with pytest.raises(HostError, match="empty"):
        tsm(FakeConfigfs("tdx_guest", lambda _: (b"", b""))).report("tdx_guest", b"d")


def test_empty_or_long_data_is_refused_by_the_kernel() -> None:
    for data in (b"", b"d" * 65):
        with pytest.raises(HostError, match="Invalid argument"):
            tsm(FakeConfigfs("tdx_guest")).report("tdx_guest", data)


def test_real_tree_reads_and_writes_files(tmp_path: Path) -> None:
    tree = Configfs()
    tree.make(tmp_path / "one")
    (tmp_path / "one" / "inblob").touch()
    tree.write(tmp_path / "one" / "inblob", b"data")
    assert tree.read(tmp_path / "one" / "inblob") == b"data"
    (tmp_path / "one" / "inblob").unlink()
    tree.remove(tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_file_system_that_makes_no_attributes_is_no_configfs(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="provider"):
        ConfigfsTsm(tmp_path).provider()
    assert list(tmp_path.iterdir()) == []
