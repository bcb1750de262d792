"""The one file everything is in: nothing acknowledged is lost, nothing newer is misread."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.trustee.storage import RESOURCES, Storage

_WRITER = """
import sys
from pathlib import Path
from casemate.trustee.storage import RESOURCES, Storage
storage = Storage(Path(sys.argv[1]))
for n in range(10**9):
    storage.put(RESOURCES, f"a/b/{n}", b"x" * 5000)
    storage.put_session(str(n), b"s", expires=9e12)
    print(n, flush=True)
"""

_FILLER = """
import resource, signal, sys
from pathlib import Path
from casemate.errors import HostError
from casemate.trustee.storage import RESOURCES, Storage
storage = Storage(Path(sys.argv[1]))
storage.put(RESOURCES, "a/b/kept", b"kept")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    for n in range(1000):
        storage.put(RESOURCES, f"a/b/{n}", b"x" * 50_000)
except HostError as error:
    print(error)
    sys.exit(2)
"""


def test_kill_in_the_middle_of_writes_loses_nothing_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "trustee.db"
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(file)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(20):
                last = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            last = max([last, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        storage = Storage(file)
        for n in range(last + 1):
            assert storage.get(RESOURCES, f"a/b/{n}") == b"x" * 5000
            assert storage.get_session(str(n), now=0) == b"s"
        storage.close()


def test_a_full_disk_is_a_clear_error_and_keeps_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "trustee.db"
    done = subprocess.run(
        [sys.executable, "-c", _FILLER, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Is the disk full" in done.stdout
    storage = Storage(file)
    assert storage.get(RESOURCES, "a/b/kept") == b"kept"
    storage.close()


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "trustee.db"
    Storage(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(HostError, match="newer"):
        Storage(file)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "trustee.db"
    file.write_bytes(b"hello" * 1000)
    with pytest.raises(HostError, match="undamaged"):
        Storage(file)
    assert file.read_bytes() == b"hello" * 1000


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    Storage(tmp_path / "t" / "trustee.db").close()
    assert (tmp_path / "t" / "trustee.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o700


def test_entries_and_sessions(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "trustee.db")
    storage.put("n", "k", b"1")
    storage.put("n", "k", b"2")
    storage.put_if_absent("n", "k", b"3")
    storage.put("other", "k", b"4")
    assert storage.items("n") == [("k", b"2")]
    assert storage.delete("n", "k")
    assert not storage.delete("n", "k")
    storage.put_session("s", b"v", expires=100)
    assert storage.get_session("s", now=99) == b"v"
    assert storage.get_session("s", now=100) is None
    assert storage.sweep_sessions(now=99) == 1
    assert storage.sweep_sessions(now=100) == 0
    storage.close()
