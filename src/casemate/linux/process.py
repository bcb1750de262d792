"""Programs of the host beside an event loop: run, watched, ended; see ``linux/program.py``."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from casemate.linux.program import (
    Completed,
    cannot_start,
    checked,
    find,
    minimal_environment,
    resolved,
    signal_group,
    too_slow,
)

_GRACE: Final = 5.0
"""Seconds between asking a program to end and making it."""


async def run_async(
    argv: Sequence[str | Path],
    *,
    timeout: float,  # noqa: ASYNC109  # the limit of the program, which must be killed at it
    input: bytes | None = None,  # noqa: A002  # the name subprocess gives it
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end without holding up the loop; see ``program.run``."""
    words = resolved(argv)
    process = await _start_async(words, env=env, cwd=cwd)
    try:
        async with asyncio.timeout(timeout):
            stdout, stderr = await process.communicate(input or b"")
    except TimeoutError as error:
        raise too_slow(words, timeout) from error
    finally:
        if process.returncode is None:
            signal_group(process.pid, signal.SIGKILL)
            await process.wait()
    done = Completed(words, process.returncode or 0, stdout, stderr)
    return checked(done) if check else done


class Child:
    """A program that runs beside us, in its own session; ended by :meth:`terminate`."""

    def __init__(self, argv: tuple[str, ...], process: asyncio.subprocess.Process) -> None:
        self.argv = argv
        self._process = process

    @classmethod
    async def spawn(
        cls,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        die_with_parent: bool = True,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        pass_fds: Sequence[int] = (),
    ) -> "Child":
        """Start a program. With ``die_with_parent`` the kernel kills it when we are gone.

        Raises:
            HostError: not installed, or cannot be started.
        """
        words = resolved(argv)
        if die_with_parent:
            words = (str(find("setpriv")), "--pdeathsig", "KILL", "--", *words)
        process = await _start_async(
            words, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds
        )
        return cls(words, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit code once it has ended; negative for a signal's number."""
        return self._process.returncode

    @property
    def stdin(self) -> asyncio.StreamWriter | None:
        return self._process.stdin

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        return self._process.stdout

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        return self._process.stderr

    async def wait(self) -> int:
        """Wait for the end; give the exit code."""
        return await self._process.wait()

    async def terminate(self, *, grace: float = _GRACE) -> int:
        """Ask it and its children to end, make them after ``grace`` seconds; give the exit code."""
        if self._process.returncode is None:
            signal_group(self.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    return await self._process.wait()
            self.kill()
        return await self._process.wait()

    def kill(self) -> None:
        """Kill it and its children at once."""
        signal_group(self.pid, signal.SIGKILL)


async def _start_async(
    words: tuple[str, ...],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: int | IO[bytes] = subprocess.PIPE,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=minimal_environment(env),
            cwd=cwd,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except OSError as error:
        raise cannot_start(words, error) from error
