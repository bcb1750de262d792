"""Runs what a page shows, as a reader would: line by line, in one shell, in an empty folder.

A line's exit status is 0, or what its comment says: ``# exit 1: why``. A line that ends in ``&``
goes on beside the others; it is waited for until it says something.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.commands import lines

_EXIT = re.compile(r"#.*\bexit (\d+)")
_SAID = 30  # seconds within which a program that goes on says something
_PAGE = 150  # seconds


@dataclass(frozen=True)
class Reader:
    """One who reads pages at one machine."""

    folder: Path
    """Short: sockets stand below it."""
    ports: Mapping[str, int]
    """Port that pages name → port that is free here."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def follow(self, page: str, *, without: tuple[str, ...] = ()) -> list[str]:
        """Run a page's commands but those that begin with ``without``; give what went wrong."""
        shown = [self._here(line) for line in lines(page) if not (line + " ").startswith(without)]
        work, notes = (Path(tempfile.mkdtemp(dir=self.folder)) for _ in range(2))
        script = "\n".join(_step(notes / str(n), line) for n, line in enumerate(shown))
        with suppress(subprocess.TimeoutExpired):
            self._run(script, work)
        return [wrong for n, line in enumerate(shown) if (wrong := _wrong(notes / str(n), line))]

    def run(self, line: str) -> None:
        """Run one command that no page shows."""
        self._run(line, self.folder)

    def _run(self, script: str, work: Path) -> None:
        with _shell(script, cwd=work, env=self._environment()) as shell:
            shell.wait(_PAGE)

    def _here(self, line: str) -> str:
        for shown, free in self.ports.items():
            line = re.sub(rf"(?<=[: ]){shown}\b", str(free), line)
        return line

    def _environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        home = str(self.folder / "home")
        return {**os.environ, "HOME": home, "PATH": path, **self.environment}


def _step(notes: Path, line: str) -> str:
    """One line of a page for the shell, which writes down what came of it."""
    goes_on = line.partition(" #")[0].rstrip().endswith("&")
    said = f"for _ in $(seq {_SAID * 10}); do [ -s {notes}.err ] && break; sleep 0.1; done"
    return (
        f"{{ {line}\n}} >{notes}.out 2>{notes}.err\n"
        f"echo $? >{notes}.status\n{said if goes_on else ''}"
    )


def _wrong(notes: Path, line: str) -> str:
    """Say what differs from what the page promises; nothing when nothing does."""
    told = _EXIT.search(line)
    wanted = told[1] if told else "0"
    file = notes.with_suffix(".status")
    status = file.read_text().strip() if file.exists() else "never"
    words = notes.with_suffix(".err").read_text()[-1500:] if file.exists() else ""
    if status == wanted and "Traceback" not in words:
        return ""
    return f"{line}\n  exit {status}, not {wanted}: {words}"


@contextmanager
def _shell(script: str, *, cwd: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script; whatever it started in its own session ends with it."""
    argv = ["bash", "-c", script]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        argv, cwd=cwd, env=env, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    ) as running:
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGTERM)
