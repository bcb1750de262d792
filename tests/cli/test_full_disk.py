"""A disk that fills up: told in a sentence, exit 2, and nothing half-written is taken for whole."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.net import ports
from casemate.podvm import build as podvm
from tests.cli import command
from tests.cli.command import CASEMATE, casemate
from tests.sim.registry import registry
from tests.sim.small_disk import fill, small_disk

pytestmark = pytest.mark.root

PAGE = 4096
PAGES = (2, 3, 12, 20)
FULL = ("No space left", "disk is full", "disk full", "MiB free")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as place:
        yield place


def assert_told(done: subprocess.CompletedProcess[str], *words: str) -> None:
    told = command.assert_told(done)
    assert any(word in told for word in words or FULL), told


def entries(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_stack_is_not_started(disk: Path) -> None:
    fill(disk)
    assert_told(casemate("up", "--state", disk / "state"))
    listed = json.loads(casemate("status", "--state", disk / "state", "--json").stdout)
    assert not any(service["running"] for service in listed)


@pytest.mark.parametrize("pages", PAGES)
def test_stack_starts_once_there_is_room(disk: Path, pages: int) -> None:
    filler = fill(disk, leave=pages * PAGE)
    assert_told(casemate("up", "--state", disk / "state"), *FULL, "disk")
    filler.unlink()
    try:
        done = casemate("up", "--state", disk / "state", "--json")
        assert done.returncode == 0, done.stderr
    finally:
        casemate("down", "--state", disk / "state")


@pytest.mark.parametrize("pages", [1, 8])
def test_trustee_is_founded_whole_or_not_at_all(disk: Path, pages: int) -> None:
    filler = fill(disk, leave=pages * PAGE)
    assert_told(casemate("trustee", "init", disk / "trustee"))
    filler.unlink()
    assert casemate("trustee", "init", disk / "trustee").returncode == 0


def test_trustee_does_not_serve_without_its_storage(disk: Path) -> None:
    casemate("trustee", "init", disk / "trustee")
    fill(disk)
    environment = {"CASEMATE_TRUSTEE_HTTP_PORT": "0"}
    done = casemate("trustee", "serve", "--config", disk / "trustee/trustee.toml", **environment)
    assert_told(done, *FULL, "disk")


def test_resource_is_stored_whole_or_not_at_all(disk: Path, tmp_path: Path) -> None:
    casemate("trustee", "init", disk / "trustee")
    (tmp_path / "small").write_bytes(b"s" * 100)
    (tmp_path / "large").write_bytes(os.urandom(400 << 10))
    with serving(disk / "trustee") as keys:
        assert casemate("kbs", *keys, "set", "a/b/1", tmp_path / "small").returncode == 0
        fill(disk, leave=64 << 10)
        assert_told(
            casemate("kbs", *keys, "set", "a/b/2", tmp_path / "large"), "log has the reason"
        )
        assert casemate("kbs", *keys, "list").stdout.split() == ["a/b/1"]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, ...]]:
    """Run the Trustee of a folder; give the options that reach it."""
    port = ports.free()
    running = subprocess.Popen(
        [*CASEMATE, "trustee", "serve", "--config", str(folder / "trustee.toml")],
        env={**os.environ, "CASEMATE_TRUSTEE_HTTP_PORT": str(port)},
        stderr=subprocess.PIPE,
    )
    try:
        assert running.stderr is not None
        assert b"Trustee at" in running.stderr.readline()
        keys = ("--ca", str(folder / "ca.pem"), "--admin-key", str(folder / "admin.key"))
        yield ("--url", f"https://127.0.0.1:{port}", *keys)
    finally:
        running.kill()
        running.communicate()


def test_encrypted_image_is_written_whole_or_not_at_all(disk: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    assert casemate("image", "build", plain).returncode == 0
    fill(disk, leave=64 << 10)
    sealing = ("--key-id", "kbs:///a/b/c", "--key-file", disk / "key")
    assert_told(casemate("image", "encrypt", plain, disk / "sealed", *sealing))
    assert entries(disk) <= {"filler", "key"}
    assert (disk / "key").stat().st_size == 32


def test_key_is_written_whole_or_not_at_all(disk: Path, tmp_path: Path) -> None:
    assert casemate("image", "build", tmp_path / "plain").returncode == 0
    filler = fill(disk)
    sealing = ("--key-id", "kbs:///a/b/c", "--key-file", disk / "key")
    encrypt = ("image", "encrypt", tmp_path / "plain", tmp_path / "sealed", *sealing)
    assert_told(casemate(*encrypt))
    assert entries(disk) == {"filler"}
    filler.unlink()
    assert casemate(*encrypt).returncode == 0


def test_registry_that_is_full_is_told(disk: Path, tmp_path: Path) -> None:
    assert casemate("image", "build", tmp_path / "plain").returncode == 0
    with registry(disk) as running:
        fill(disk, leave=64 << 10)
        reaching = ("--ca", disk / "ca.crt")
        image = f"{running.host}/demo/app:1"
        done = casemate("image", "push", tmp_path / "plain", image, *reaching)
        assert_told(done, running.host)
        assert casemate("image", "inspect", image, *reaching).returncode == 2


def test_pod_vm_image_is_not_begun_without_room(disk: Path) -> None:
    share_packages(disk)
    assert_told(casemate("podvm", "build", CASEMATE_CACHE=str(disk)), "MiB free")


def test_pod_vm_image_that_did_not_fit_is_no_image(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=2g,nr_inodes=500") as disk:
        share_packages(disk)
        assert_told(casemate("podvm", "build", CASEMATE_CACHE=str(disk)))
        assert entries(disk / "podvm") == {"packages", "wheels", "lock"}


def share_packages(disk: Path) -> None:
    """Let a cache on the disk have what was fetched before."""
    shared = podvm.default_cache()
    (disk / "podvm").mkdir()
    for name in ("packages", "wheels"):
        (shared / name).mkdir(parents=True, exist_ok=True)
        (disk / "podvm" / name).symlink_to(shared / name)
