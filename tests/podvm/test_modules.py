from pathlib import Path

import pytest

from casemate.errors import InputError
from casemate.podvm import modules
from tests.sim.elf import module


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    (tmp_path / "kernel").mkdir()
    for name, depends in {
        "dm-mod": [],
        "dm-bufio": ["dm-mod"],
        "dm-verity": ["dm-bufio", "dm-mod", "sha256"],
        "lonely": [],
    }.items():
        (tmp_path / "kernel" / f"{name}.ko").write_bytes(module(name, depends))
    (tmp_path / "modules.builtin").write_text("kernel/crypto/sha256.ko\n")
    return tmp_path


def test_dependencies_come_first_and_once(kernel: Path) -> None:
    planned = modules.plan(kernel, ["dm_verity", "dm_bufio"])
    assert [file.stem for file in planned] == ["dm-mod", "dm-bufio", "dm-verity"]


def test_built_in_modules_are_left_out(kernel: Path) -> None:
    assert modules.plan(kernel, ["sha256"]) == []


def test_unknown_module_is_refused(kernel: Path) -> None:
    with pytest.raises(InputError, match="no_such"):
        modules.plan(kernel, ["no_such"])
