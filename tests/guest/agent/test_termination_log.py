import os
from pathlib import Path

from casemate.guest.agent.termination_log import LARGEST, tail


def test_end_of_a_log_is_given(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"words")
    assert tail(log) == b"words"


def test_log_of_any_size_costs_no_more_than_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(1 << 40)  # sparse: reading it whole would end the machine
        file.seek(0, os.SEEK_END)
        file.write(b"end")
    assert len(tail(log)) == LARGEST
    assert tail(log).endswith(b"end")


def test_what_is_no_plain_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "absent"):
        assert tail(tmp_path / name) == b""
