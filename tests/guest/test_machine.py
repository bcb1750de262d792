from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.guest import machine


def test_doors_of_the_kernel_are_closed(tmp_path: Path) -> None:
    (tmp_path / "kernel").mkdir()
    for name, _ in machine.HARDENING:
        (tmp_path / name).write_text("x")
    machine.harden(tmp_path)
    assert (tmp_path / "kernel/sysrq").read_text() == "0"
    assert (tmp_path / "kernel/unprivileged_userns_clone").read_text() == "0"


def test_a_kernel_without_one_of_them_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="kernel setting kernel/dmesg_restrict"):
        machine.harden(tmp_path)
