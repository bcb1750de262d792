"""Programs of the host: found, run, watched, ended. Every command we run can be replayed.

A program sees a minimal environment, its own session (so that it and its children can be ended
together) and no terminal. Argument lists only, never a shell.
"""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

import msgspec

from casemate.errors import HostError

SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAIL: Final = 170
"""How much of standard error an error message holds, in characters: its end says why."""
_GRACE: Final = 5.0
"""Seconds between asking a program to end and making it."""

PACKAGES: Final = MappingProxyType(
    {
        "apt-get": "apt",
        "cryptsetup": "cryptsetup-bin",
        "docker-registry": "docker-registry",
        "dpkg-deb": "dpkg",
        "mkfs.erofs": "erofs-utils",
        "mkfs.ext4": "e2fsprogs",
        "qemu-img": "qemu-utils",
        "qemu-system-x86_64": "qemu-system-x86",
        "setpriv": "util-linux",
        "skopeo": "skopeo",
        "swtpm": "swtpm",
        "swtpm_setup": "swtpm-tools",
        "umoci": "umoci",
        "veritysetup": "cryptsetup-bin",
    }
)
"""Debian's package of each program whose name differs from it, or which we ask for by name."""


class Completed(msgspec.Struct, frozen=True):
    """A program that has ended. ``status`` is its exit code, negative for a signal's number."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def command(self) -> str:
        """The command, quoted so that a shell runs it again."""
        return shlex.join(self.argv)


def find(program: str) -> Path:
    """Find a program of the host.

    Raises:
        HostError: it is not installed; the remedy names Debian's package.
    """
    found = shutil.which(program, path=SEARCH_PATH)
    if found is None:
        package = PACKAGES.get(program, program)
        raise HostError(
            f"program {program}",
            got="not installed",
            want="an executable on the path",
            remedy=f"apt-get install {package}",
        )
    return Path(found)


def minimal_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make the environment that programs see: path, home, language, and what ``extra`` adds."""
    home = os.environ.get("HOME", "/nonexistent")
    return {"PATH": SEARCH_PATH, "HOME": home, "LANG": "C.UTF-8"} | dict(extra or {})


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    input: bytes | None = None,  # noqa: A002  # the name subprocess gives it
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end; ``env`` is added to the minimal environment.

    Args:
        argv: program and arguments; a bare program name is looked up.
        timeout: seconds; then the program and its children are killed.
        input: standard input; empty when not given.
        env: variables to add; nothing else of our own environment passes.
        cwd: folder to run in.
        check: refuse any status but 0.

    Raises:
        HostError: not installed, cannot be started, too slow, or (``check``) ended badly.
    """
    words = _resolved(argv)
    process = _start(words, env=env, cwd=cwd, piped=True)
    with process:
        try:
            stdout, stderr = process.communicate(input or b"", timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise _too_slow(words, timeout) from error
        finally:
            if process.poll() is None:
                _signal_group(process.pid, signal.SIGKILL)
    done = Completed(words, process.returncode, stdout, stderr)
    return _checked(done) if check else done


async def run_async(
    argv: Sequence[str | Path],
    *,
    timeout: float,  # noqa: ASYNC109  # the limit of the program, which must be killed at it
    input: bytes | None = None,  # noqa: A002  # the name subprocess gives it
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end without holding up the loop; see :func:`run`."""
    words = _resolved(argv)
    process = await _start_async(words, env=env, cwd=cwd)
    try:
        async with asyncio.timeout(timeout):
            stdout, stderr = await process.communicate(input or b"")
    except TimeoutError as error:
        raise _too_slow(words, timeout) from error
    finally:
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()
    done = Completed(words, process.returncode or 0, stdout, stderr)
    return _checked(done) if check else done


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
        words = _resolved(argv)
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
            _signal_group(self.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    return await self._process.wait()
            self.kill()
        return await self._process.wait()

    def kill(self) -> None:
        """Kill it and its children at once."""
        _signal_group(self.pid, signal.SIGKILL)


def _resolved(argv: Sequence[str | Path]) -> tuple[str, ...]:
    program, *arguments = (str(word) for word in argv)
    where = program if "/" in program else str(find(program))
    return (where, *arguments)


def _start(
    words: tuple[str, ...], *, env: Mapping[str, str] | None, cwd: Path | None, piped: bool
) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE if piped else subprocess.DEVNULL
    try:
        return subprocess.Popen(
            words,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=minimal_environment(env),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise _cannot_start(words, error) from error


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
        raise _cannot_start(words, error) from error


def _checked(done: Completed) -> Completed:
    if done.status != 0:
        raise HostError(
            done.command,
            got=f"status {done.status}: {last_words(done.stderr or done.stdout)}",
            want="status 0",
        )
    return done


def last_words(output: bytes) -> str:
    """The end of what a program said, on one line: it says why."""
    lines = output.decode(errors="replace").split("\n")
    text = " / ".join(line.strip() for line in lines if line.strip()) or "no message"
    return text if len(text) <= _TAIL else "…" + text[-_TAIL:]


def _too_slow(words: tuple[str, ...], timeout: float) -> HostError:
    return HostError(shlex.join(words), got="still running", want=f"an end within {timeout:g} s")


def _cannot_start(words: tuple[str, ...], error: OSError) -> HostError:
    return HostError(shlex.join(words), got=error.strerror or error, want="a program that starts")


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
