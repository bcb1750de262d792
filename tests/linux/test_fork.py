import os
from typing import NoReturn

import pytest

from casemate.errors import HostError
from casemate.linux import child, fork


def broken() -> NoReturn:
    os.close(2)  # the traceback is not this test's to show
    raise ValueError("broken")


def test_function_runs_in_a_process_of_its_own() -> None:
    reader, writer = os.pipe()
    process = fork.begin(lambda: os.write(writer, str(os.getpid()).encode()) and 0)
    os.close(writer)
    fork.join(process, "the work")
    with os.fdopen(reader, "rb") as told:
        assert int(told.read()) == process != os.getpid()


def test_process_that_ends_badly_is_an_error() -> None:
    with pytest.raises(HostError, match="the work: got a process that ended with status 3"):
        fork.join(fork.begin(lambda: 3), "the work")


async def test_error_is_a_status_and_unwinds_nothing_here() -> None:
    assert await child.wait(fork.begin(broken)) == fork.FAILED
