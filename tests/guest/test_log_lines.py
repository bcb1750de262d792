import asyncio
import logging
import sys

import pytest

from casemate.guest.log_lines import LogFormatter
from casemate.guest.loop import tell_lost_error


def test_log_lines_never_hold_the_text_of_an_unexpected_error() -> None:
    try:
        int("hunter2")
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, "p", 1, "failed", (), sys.exc_info())
    line = LogFormatter("%(name)s: %(message)s").format(record)
    assert "hunter2" not in line
    assert "ValueError test_log_lines.py:" in line


def test_error_that_nobody_awaits_is_told_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ValueError("hunter2")

    async def forget() -> None:
        asyncio.get_running_loop().set_exception_handler(tell_lost_error)
        lost = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        del lost

    asyncio.run(forget())
    assert "hunter2" not in caplog.text
    assert "never retrieved: ValueError" in caplog.text
