import os
import time
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux import daemon
from casemate.linux.daemon import Daemon


def wait_for(file: Path) -> str:
    end = time.monotonic() + 10
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return file.read_text()


def test_daemon_writes_to_its_log_and_ends_when_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    started = daemon.spawn(["sh", "-c", "echo here; exec sleep 60"], log=log)
    assert wait_for(log) == "here\n"
    assert daemon.stop(started, grace=5)
    assert daemon._stat(started.pid) == ("X", 0)
    assert not daemon.stop(started, grace=5)


def test_deaf_daemon_is_killed_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "trap '' TERM; sleep 60 & echo $!; while :; do sleep 0.05; done"
    started = daemon.spawn(["sh", "-c", script], log=log)
    child = int(wait_for(log))
    assert daemon.stop(started, grace=0.2)
    end = time.monotonic() + 5
    while daemon._stat(child)[0] not in {"X", "Z"} and time.monotonic() < end:
        time.sleep(0.01)
    assert daemon._stat(child)[0] in {"X", "Z"}


def test_other_process_with_the_same_pid_is_left_alone() -> None:
    stranger = Daemon(os.getpid(), 1)
    assert not stranger.alive
    assert not daemon.stop(stranger, grace=0)


def test_secrets_of_our_environment_do_not_reach_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2")
    started = daemon.spawn(["sh", "-c", "env; echo end"], log=tmp_path / "log")
    end = time.monotonic() + 5
    while started.alive and time.monotonic() < end:
        time.sleep(0.01)
    daemon.stop(started, grace=0)
    assert "hunter2" not in (tmp_path / "log").read_text()


def test_missing_program_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="apt-get install"):
        daemon.spawn(["no-such-program"], log=tmp_path / "log")


def test_program_begins_when_it_is_written_down(tmp_path: Path) -> None:
    log = tmp_path / "log"
    seen: list[tuple[Daemon, str]] = []
    started = daemon.spawn(
        ["sh", "-c", "cat; echo begun; exec sleep 60"],
        log=log,
        record=lambda d: seen.append((d, log.read_text() if log.exists() else "")),
    )
    assert wait_for(log) == "begun\n"
    assert seen == [(started, "")]
    assert started.alive
    daemon.stop(started, grace=5)


def test_program_that_could_not_be_written_down_never_begins(tmp_path: Path) -> None:
    log = tmp_path / "log"
    kept: list[Daemon] = []

    def fail(started: Daemon) -> None:
        kept.append(started)
        raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        daemon.spawn(["sh", "-c", "echo begun; exec sleep 60"], log=log, record=fail)
    end = time.monotonic() + 5
    while kept[0].alive and time.monotonic() < end:
        time.sleep(0.01)
    assert not kept[0].alive
    assert log.read_text() == ""
