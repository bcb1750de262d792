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


def test_lists_of_the_initrd_share_nothing(tmp_path: Path) -> None:
    wanted = [name for names in modules.INITRD.values() for name in names]
    for name in (*wanted, "shared"):
        depends = [] if name == "shared" else ["shared"]
        (tmp_path / f"{name}.ko").write_bytes(module(name, depends))
    (tmp_path / "modules.builtin").write_text("")
    plans = modules.plan_initrd(tmp_path)
    assert list(plans) == ["modules", "modules.beside"]  # as init.c names them
    assert [file.stem for listed in plans.values() for file in listed] == ["shared", *wanted]


def test_built_in_modules_are_left_out(kernel: Path) -> None:
    assert modules.plan(kernel, ["sha256"]) == []


def test_unknown_module_is_refused(kernel: Path) -> None:
    with pytest.raises(InputError, match="no_such"):
        modules.plan(kernel, ["no_such"])
