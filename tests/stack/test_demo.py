import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casemate.linux.program import find
from tests.stack.leftovers import kernel_objects, running_for

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("vm")]

CASEMATE = [sys.executable, "-P", "-m", "casemate.cli.main"]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    for program in ("qemu-system-x86_64", "swtpm", "docker-registry", "mkfs.erofs"):
        find(program)
    folder = tmp_path_factory.mktemp("demo")
    yield folder
    casemate(folder, "down")


def casemate(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CASEMATE, *arguments],
        env={**os.environ, "CASEMATE_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def shown(state: Path) -> dict[str, Any]:
    done = casemate(state, "demo", "--fast", "--keep", "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_pod_gets_its_secret_and_every_attack_is_refused(shown: dict[str, Any]) -> None:
    assert shown["ok"], shown["failures"]
    assert shown["secret_arrived"]
    assert len(shown["attacks"]) >= 12
    assert all(attack["refused"] and attack["reason"]["rule"] for attack in shown["attacks"])


def test_pod_measures_what_was_foretold(shown: dict[str, Any]) -> None:
    assert shown["measurements"]["predicted"] == shown["measurements"]["seen"]
    assert "pcr08" in shown["measurements"]["seen"]


def test_every_station_up_to_start_took_time(shown: dict[str, Any]) -> None:
    stations = ("launch", "boot", "initdata", "connect", "attest", "release", "pull", "start")
    assert all(shown["spans"][station] > 0 for station in stations)


def test_image_is_encrypted_and_signed(shown: dict[str, Any]) -> None:
    assert shown["image"]["encrypted"] > 0
    assert shown["image"]["signed"]


def test_kept_pod_is_listed_and_logs_its_line(state: Path, shown: dict[str, Any]) -> None:
    listed = json.loads(casemate(state, "pod", "ps", "--json").stdout)
    assert shown["pod"] in {pod["pod"] for pod in listed}
    assert "secret arrived" in casemate(state, "pod", "logs", shown["pod"]).stdout


def test_stranger_reads_the_pushed_image(state: Path, shown: dict[str, Any]) -> None:
    read = subprocess.run(
        [
            find("skopeo"),
            "inspect",
            "--raw",
            f"--cert-dir={certificates(state)}",
            f"docker://{shown['image']['reference']}",
        ],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert read.returncode == 0, read.stderr.decode()
    layers = json.loads(read.stdout)["layers"]
    assert any(layer["mediaType"].endswith("+encrypted") for layer in layers)


def certificates(state: Path) -> Path:
    folder = state / "skopeo"
    folder.mkdir(exist_ok=True)
    (folder / "ca.crt").write_bytes((state / "registry/ca.pem").read_bytes())
    return folder


def test_second_demo_is_told_who_uses_the_folder(tmp_path: Path) -> None:
    argv = [*CASEMATE, "demo", "--fast", "--state", str(tmp_path)]
    first = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lock = tmp_path / "lock"
        wait_until(lambda: lock.exists() and bool(lock.read_text()))
        second = casemate(tmp_path, "demo", "--fast")
        assert second.returncode == 2
        assert f"process {first.pid} (demo)" in second.stderr
    finally:
        first.terminate()
        first.wait(60)
    assert running_for(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    before = kernel_objects()
    argv = [*CASEMATE, "demo", "--fast", "--state", str(tmp_path)]
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: any("qemu-system" in line for line in running_for(tmp_path)))
    running.send_signal(number)
    _, words = running.communicate(timeout=60)
    assert running.returncode == 130, words.decode()
    assert b"Traceback" not in words
    assert running_for(tmp_path) == []
    assert kernel_objects() == before


def test_down_leaves_nothing(state: Path, shown: dict[str, Any]) -> None:
    before = kernel_objects()
    assert casemate(state, "down").returncode == 0
    assert running_for(state) == []
    assert kernel_objects() == before
    assert shown["pod"]


def wait_until(holds: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
