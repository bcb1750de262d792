"""Processes that outlive the command which started them, known again by pid and start time."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from casemate.linux.program import find, minimal_environment

_POLL: Final = 0.02  # seconds
_HELD: Final = 'read -r go && exec "$0" "$@" </dev/null'
"""A shell that becomes the program at our word, and ends when we end without a word."""


class Daemon(msgspec.Struct, frozen=True):
    """A process: a pid alone may be another's by now, so its start time goes with it."""

    pid: int
    started: int
    """Clock ticks after boot (proc(5), field 22 of ``/proc/pid/stat``)."""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        state, started = _stat(self.pid)
        return started == self.started and state not in {"Z", "X"}


def _nobody(_started: Daemon) -> None:
    """Nobody writes the daemon down."""


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    record: Callable[[Daemon], None] = _nobody,
) -> Daemon:
    """Start a program in a session of its own; both its outputs are appended to ``log``.

    ``env`` is added to the minimal environment of ``linux.process``. ``record`` writes the daemon
    down; only then the program begins. So whoever is killed in between leaves none behind.

    Raises:
        HostError: there is no such program.
    """
    words = [str(word) for word in argv]
    program = words[0] if "/" in words[0] else str(find(words[0]))
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb", buffering=0) as door:
        started = _spawn_held([program, *words[1:]], reading, log=log, env=env)
        record(started)
        with suppress(BrokenPipeError):
            door.write(b"\n")
    return started


def _spawn_held(
    words: Sequence[str], door: int, *, log: Path, env: Mapping[str, str] | None
) -> Daemon:
    """Start the shell that waits at ``door``; as the program it keeps pid and start time."""
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _HELD, *words],
        minimal_environment(env),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, door, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGTERM],
    )
    return Daemon(pid, _stat(pid)[1])


def stop(daemon: Daemon, *, grace: float) -> bool:
    """End a process and its session: SIGTERM, ``grace`` seconds, SIGKILL. Nothing else is touched.

    Gives False when it had ended already.
    """
    if not daemon.alive:
        _reap(daemon.pid)
        return False
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(daemon.pid, number)
        if _ended(daemon, seconds):
            break
    _kill_session(daemon.pid)
    return True


def _ended(daemon: Daemon, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while daemon.alive:
        if time.monotonic() > end:
            return False
        time.sleep(_POLL)
    _reap(daemon.pid)
    return True


def _kill_session(leader: int) -> None:
    """Kill what the leader left in its own process group; a pid is not reused while one lives."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _stat(pid: int) -> tuple[str, int]:
    """Give state and start time; ("X", 0) for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[19])
