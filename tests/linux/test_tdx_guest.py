import errno
import hashlib
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux.tdx_guest import DEVICE, TdxGuest
from tests.sim.devices.tdx_guest import FakeTdxGuest

DIGEST = bytes(range(48))


def old(device: FakeTdxGuest) -> TdxGuest:
    return TdxGuest(DEVICE, Path("/nonexistent"), open_device=device.open)


def test_old_kernel_shows_registers_in_a_report() -> None:
    device = FakeTdxGuest(config_id=DIGEST)
    assert old(device).config_id() == DIGEST
    assert old(device).report(b"d" * 64)[128:192] == b"d" * 64


def test_intels_kernel_extends_by_ioctl() -> None:
    device = FakeTdxGuest(extends=True)
    assert old(device).can_extend
    assert device.registers == [bytes(48)] * 4
    old(device).extend(2, DIGEST)
    assert device.registers[2] == hashlib.sha384(bytes(48) + DIGEST).digest()


def test_other_old_kernels_cannot() -> None:
    device = FakeTdxGuest()
    assert not old(device).can_extend
    with pytest.raises(HostError, match=r"6\.16"):
        old(device).extend(2, DIGEST)
    assert not TdxGuest(Path("/nonexistent"), Path("/nonexistent")).can_extend


def test_new_kernel_extends_by_sysfs(tmp_path: Path) -> None:
    (tmp_path / "mrconfigid").write_bytes(DIGEST)
    (tmp_path / "rtmr2:sha384").write_bytes(bytes(48))
    guest = TdxGuest(DEVICE, tmp_path)
    assert guest.can_extend
    assert guest.config_id() == DIGEST
    guest.extend(2, DIGEST)
    assert (tmp_path / "rtmr2:sha384").read_bytes() == DIGEST
    with pytest.raises(HostError, match="rtmr3"):
        guest.extend(3, DIGEST)


def test_register_of_another_size_is_refused(tmp_path: Path) -> None:
    guest = TdxGuest(DEVICE, tmp_path)
    with pytest.raises(HostError, match="mrconfigid"):
        guest.config_id()
    (tmp_path / "mrconfigid").write_bytes(b"short")
    with pytest.raises(HostError, match="5 bytes"):
        guest.config_id()


def test_device_that_fails_is_named() -> None:
    device = FakeTdxGuest()
    device.failure = errno.EIO
    with pytest.raises(HostError, match="/dev/tdx_guest"):
        old(device).report(bytes(64))
