import os
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux import lock


def test_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    with (
        lock.hold(tmp_path / "lock", purpose="demo"),
        pytest.raises(HostError, match=rf"process {os.getpid()} \(demo\)"),
        lock.hold(tmp_path / "lock", purpose="up"),
    ):
        pass


def test_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with lock.hold(tmp_path / "lock", purpose="demo"):
            pass


def test_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    if (pid := os.fork()) == 0:
        with lock.hold(tmp_path / "lock", purpose="demo"):
            os._exit(9)
    os.waitpid(pid, 0)
    with lock.hold(tmp_path / "lock", purpose="demo"):
        pass
