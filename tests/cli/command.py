"""A command of ours as a user runs it: another process, nothing on its standard input."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CASEMATE = (sys.executable, "-P", "-m", "casemate.cli.main")


def casemate(
    *arguments: str | Path, within: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it and wait, two minutes at most; ``within`` is a command that runs the rest."""
    return subprocess.run(
        [*within, *CASEMATE, *map(str, arguments)],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_told(done: subprocess.CompletedProcess[str]) -> str:
    """Assert that it ended with 2 and a sentence; give the sentence."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
