"""A machine that lacks something: QEMU, a registry, the network. Told in a sentence, exit 2."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from casemate.linux.program import find
from casemate.podvm.build import build
from casemate.podvm.recipe import Recipe
from tests.cli import command

pytestmark = pytest.mark.root


def casemate(
    *arguments: str | Path, lacking: str = "", network: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command where a program is not to be executed, or no network is there."""
    hide = f"mount --bind /dev/null {find(lacking)} && " if lacking else ""
    words = ["unshare", "--mount", *([] if network else ["--net"])]
    if os.geteuid() != 0 or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("needs to be root, to take something away from a command")
    within = [*words, "sh", "-c", f'{hide}exec "$@"', "sh"]
    return command.casemate(*arguments, within=within, **environment)


def assert_told(done: subprocess.CompletedProcess[str], *words: str) -> None:
    told = command.assert_told(done)
    assert all(word in told for word in words), told


def runs(state: Path) -> bool:
    listed = json.loads(casemate("status", "--state", state, "--json").stdout)
    return any(service["running"] for service in listed)


def test_stack_without_a_registry_names_its_package(tmp_path: Path) -> None:
    done = casemate("up", "--state", tmp_path, lacking="docker-registry")
    assert_told(done, "apt-get install docker-registry")
    assert not runs(tmp_path)


@pytest.mark.parametrize("program", ["qemu-system-x86_64", "swtpm"])
def test_pod_without_a_program_names_its_package(tmp_path: Path, program: str) -> None:
    build(Recipe())
    try:
        assert casemate("up", "--state", tmp_path, lacking=program).returncode == 0
        done = casemate("pod", "run", "--state", tmp_path, "localhost:1/demo/app:1")
        assert_told(done, program, "apt-get install")
    finally:
        casemate("down", "--state", tmp_path)


def test_demo_without_qemu_names_its_package_and_leaves_nothing(tmp_path: Path) -> None:
    done = casemate("demo", "--fast", "--state", tmp_path, lacking="qemu-system-x86_64")
    assert_told(done, "apt-get install qemu-system-x86")
    assert not runs(tmp_path)


def test_doctor_names_what_is_missing(tmp_path: Path) -> None:
    done = casemate("doctor", "--state", tmp_path, "--json", lacking="qemu-system-x86_64")
    assert done.returncode == 2
    missing = [f for f in json.loads(done.stdout) if f["grade"] == "missing"]
    assert [f["packages"] for f in missing] == [["qemu-system-x86"]]


def test_pod_vm_image_without_network_names_the_archive(tmp_path: Path) -> None:
    done = casemate("podvm", "build", network=False, CASEMATE_CACHE=str(tmp_path))
    assert_told(done, "Debian's archive", "resolving")
    assert not list(tmp_path.glob("podvm/*/manifest.json"))
