"""kill -9 at any moment: nobody can tidy up then, so ``casemate down`` does, and leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from casemate.linux.program import find
from tests.stack.leftovers import kernel_objects, running_for

CASEMATE = [sys.executable, "-P", "-m", "casemate.cli.main"]


def casemate(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CASEMATE, *arguments, "--state", str(state)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def kill_when(state: Path, shown: Callable[[list[str]], bool], *arguments: str) -> None:
    """Run a command and kill it, and nothing else, as soon as its processes show something."""
    with subprocess.Popen(
        [*CASEMATE, *arguments, "--state", str(state)], stderr=subprocess.DEVNULL
    ) as running:
        try:
            wait_until(lambda: shown(running_for(state)))
        finally:
            running.kill()


def wait_until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def assert_down_leaves_nothing(state: Path, before: list[str]) -> None:
    done = casemate(state, "down")
    assert done.returncode == 0, done.stderr
    assert running_for(state) == []
    assert kernel_objects() == before


@pytest.mark.parametrize("daemon", ["trustee serve", "docker-registry serve", "adaptor serve"])
def test_killed_up_is_brought_down(tmp_path: Path, daemon: str) -> None:
    find("docker-registry")
    before = kernel_objects()
    kill_when(tmp_path, lambda lines: any(daemon in line for line in lines), "up")
    assert_down_leaves_nothing(tmp_path, before)


def test_killed_up_can_be_repeated(tmp_path: Path) -> None:
    find("docker-registry")
    kill_when(tmp_path, lambda lines: any("docker-registry" in line for line in lines), "up")
    try:
        assert casemate(tmp_path, "up").returncode == 0
        assert len(running_for(tmp_path)) == len(("trustee", "registry", "adaptor"))
    finally:
        casemate(tmp_path, "down")


@pytest.mark.vm
@pytest.mark.xdist_group("vm")
def test_killed_demo_is_brought_down(tmp_path: Path) -> None:
    for program in ("qemu-system-x86_64", "swtpm", "docker-registry", "mkfs.erofs"):
        find(program)
    before = kernel_objects()
    kill_when(
        tmp_path, lambda lines: any("qemu-system" in line for line in lines), "demo", "--fast"
    )
    assert_down_leaves_nothing(tmp_path, before)


@pytest.mark.vm
@pytest.mark.xdist_group("vm")
def test_killed_adaptor_takes_its_vms_along(tmp_path: Path) -> None:
    argv = [*CASEMATE, "demo", "--fast", "--state", str(tmp_path)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as running:
        wait_until(lambda: any("qemu-system" in line for line in running_for(tmp_path)))
        os.kill(adaptor(tmp_path), signal.SIGKILL)
        _, words = running.communicate(timeout=60)
    assert running.returncode == 2, words.decode()
    assert b"Traceback" not in words
    assert running_for(tmp_path) == []


def adaptor(state: Path) -> int:
    for process in Path("/proc").glob("[0-9]*"):
        line = (process / "cmdline").read_bytes() if (process / "cmdline").exists() else b""
        if b"adaptor\0serve" in line and os.fsencode(state) in line:
            return int(process.name)
    raise AssertionError("no adaptor runs")
