"""Programs of the host: found, and run to their end. Every command we run can be replayed.

A program sees a minimal environment, its own session (so that it and its children can be ended
together) and no terminal. Argument lists only, never a shell. Beside an event loop:
``linux/process.py``; this module loads none, for a process that has none.
"""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.errors import HostError

SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAIL: Final = 170
"""How much of standard error an error message holds, in characters: its end says why."""
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
    places = (Path(folder, program) for folder in SEARCH_PATH.split(":"))
    found = next((place for place in places if _can_be_run(place)), None)
    if found is None:
        package = PACKAGES.get(program, program)
        raise HostError(
            f"program {program}",
            got="not installed",
            want="an executable on the path",
            remedy=f"apt-get install {package}",
        )
    return found


def _can_be_run(place: Path) -> bool:
    return place.is_file() and os.access(place, os.X_OK)


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
    words = resolved(argv)
    process = _start(words, env=env, cwd=cwd, piped=True)
    with process:
        try:
            stdout, stderr = process.communicate(input or b"", timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise too_slow(words, timeout) from error
        finally:
            if process.poll() is None:
                signal_group(process.pid, signal.SIGKILL)
    done = Completed(words, process.returncode, stdout, stderr)
    return checked(done) if check else done


def resolved(argv: Sequence[str | Path]) -> tuple[str, ...]:
    """Look the program up, unless it is a path."""
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
        raise cannot_start(words, error) from error


def checked(done: Completed) -> Completed:
    """Refuse any status but 0."""
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


def too_slow(words: tuple[str, ...], timeout: float) -> HostError:
    """The error of a program that had to be killed."""
    return HostError(shlex.join(words), got="still running", want=f"an end within {timeout:g} s")


def cannot_start(words: tuple[str, ...], error: OSError) -> HostError:
    """The error of a program that the kernel does not start."""
    return HostError(shlex.join(words), got=error.strerror or error, want="a program that starts")


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a program and its children; to none when they are gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
