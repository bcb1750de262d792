import errno
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux.mkfd import DEVICE, Mkfd
from tests.sim.devices.mkfd import FakeMkfd

DATA = bytes(range(64))


def report(user_data: bytes) -> bytes:
    return user_data.ljust(396, b"r")


def topology(folder: Path, **numbers: str) -> Path:
    for node, number in numbers.items():
        (folder / node).mkdir()
        (folder / node / "gpu_id").write_text(number)
    return folder


def test_accelerators_are_listed_without_processors(tmp_path: Path) -> None:
    nodes = topology(tmp_path, **{"0": "0\n", "10": "77\n", "2": "55\n", "3": "none\n"})
    (nodes / "4").mkdir()
    assert Mkfd(DEVICE, nodes).devices() == (55, 77)
    assert Mkfd(DEVICE, tmp_path / "nowhere").devices() == ()


def test_each_gives_its_report() -> None:
    device = FakeMkfd({55: report})
    made = Mkfd(open_device=device.open)
    assert made.report(55, DATA) == report(DATA)
    with pytest.raises(HostError, match="DCU 56"):
        made.report(56, DATA)


def test_failures_are_shown() -> None:
    device = FakeMkfd({55: report})
    made = Mkfd(open_device=device.open)
    device.firmware_error = 0x21
    with pytest.raises(HostError, match="firmware error 0x21"):
        made.report(55, DATA)
    device.failure = errno.EIO
    with pytest.raises(HostError, match="firmware error 0x21"):
        made.report(55, DATA)
    device.failure, device.firmware_error, device.size = None, 0, 12
    with pytest.raises(HostError, match="12 bytes"):
        made.report(55, DATA)
