"""The container runtime crun: bundles in, processes out."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import HostError, quote
from casemate.linux.process import Child, run_async

_LONGEST: Final = 120.0
"""Seconds for one command: emulated machines are slow."""

_LONGEST_LOG: Final = 4096


class Stdio(msgspec.Struct, frozen=True):
    """Descriptors that a process gets; none of them matters when it has a terminal."""

    stdin: int
    stdout: int
    stderr: int


class Crun:
    """One state folder of crun; ``cgroups`` is its cgroup manager."""

    def __init__(self, state: Path, *, cgroups: str = "cgroupfs") -> None:
        self._state = state
        self._cgroups = cgroups

    async def create(
        self, container: str, bundle: Path, stdio: Stdio, *, console: Path | None = None
    ) -> int:
        """Create a container from ``bundle/config.json``; gives the pid of its first process.

        The process waits for :meth:`start` and is a child of the nearest reaper.

        Raises:
            HostError: crun refuses, with its reason.
        """
        pid_file = bundle / "init.pid"
        arguments = ["create", "--bundle", str(bundle), "--pid-file", str(pid_file)]
        if console is not None:
            arguments += ["--console-socket", str(console)]
        await self._attached([*arguments, container], bundle / "create.log", stdio)
        return _read_pid(pid_file)

    async def start(self, container: str) -> None:
        """Let the first process of a created container run.

        Raises:
            HostError: crun refuses.
        """
        await self._run(["start", container])

    async def execute(
        self,
        container: str,
        process: Path,
        pid_file: Path,
        stdio: Stdio,
        *,
        console: Path | None = None,
    ) -> int:
        """Run one more process (OCI process document) in a container; gives its pid.

        Raises:
            HostError: crun refuses, with its reason.
        """
        arguments = ["exec", "--detach", "--process", str(process), "--pid-file", str(pid_file)]
        if console is not None:
            arguments += ["--tty", "--console-socket", str(console)]
        log = pid_file.with_suffix(".log")
        await self._attached([*arguments, container], log, stdio)
        return _read_pid(pid_file)

    async def kill_all(self, container: str, number: int) -> None:
        """Signal every process of a container; one that is gone is fine."""
        await self._run(["kill", "--all", container, str(number)], check=False)

    async def pause(self, container: str) -> None:
        """Freeze a container."""
        await self._run(["pause", container])

    async def resume(self, container: str) -> None:
        """Thaw a container."""
        await self._run(["resume", container])

    async def update(self, container: str, resources: bytes) -> None:
        """Change the limits of a container; ``resources`` is the OCI JSON.

        Raises:
            HostError: crun or the kernel refuses a limit.
        """
        await self._run(["update", "--resources", "-", container], stdin=resources)

    async def delete(self, container: str) -> None:
        """Forget a container, killing what still runs; one that is gone is fine."""
        await self._run(["delete", "--force", container], check=False)

    async def _attached(self, arguments: Sequence[str], log: Path, stdio: Stdio) -> None:
        """Run crun with a container's own stdio; its messages go to ``log``."""
        _forget(log)
        child = await Child.spawn(
            self._argv(["--log", str(log), "--log-format", "json", *arguments]),
            die_with_parent=False,
            stdin=stdio.stdin,
            stdout=stdio.stdout,
            stderr=stdio.stderr,
        )
        if await child.wait() != 0:
            raise HostError(
                f"crun {arguments[0]}", got=_reason(log), want="a process", remedy="See the bundle."
            )

    async def _run(
        self, arguments: Sequence[str], *, check: bool = True, stdin: bytes = b""
    ) -> None:
        await run_async(self._argv(arguments), timeout=_LONGEST, input=stdin, check=check)

    def _argv(self, arguments: Sequence[str]) -> list[str]:
        return [
            "crun",
            "--root",
            str(self._state),
            "--cgroup-manager",
            self._cgroups,
            *arguments,
        ]


def _forget(log: Path) -> None:
    log.unlink(missing_ok=True)


def _read_pid(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError) as error:
        raise HostError("crun", got=error, want=f"a pid in {file.name}") from error


def _reason(log: Path) -> str:
    """The last message of crun's JSON log."""
    text = ""
    with suppress(OSError):
        text = log.read_text(errors="replace")[-_LONGEST_LOG:].strip()
    last = text.rpartition("\n")[2]
    with suppress(ValueError, AttributeError):
        return quote(json.loads(last).get("msg", last))
    return quote(last or "no message")
