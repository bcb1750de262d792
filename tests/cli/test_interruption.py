"""SIGTERM unwinds what runs, also where a shell started us with SIGINT ignored."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, signal, sys
if sys.argv[1] == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
from casemate.cli.interruption import end_cleanly_when_terminated
end_cleanly_when_terminated()

async def main():
    try:
        print("runs", flush=True)
        await asyncio.sleep(60)
    finally:
        print("unwound", flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("started", ["as usual", "ignored"])
def test_terminated_program_unwinds(started: str) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, started], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "runs\n"
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=30)
    assert (said, running.returncode) == ("unwound\n", 130)
