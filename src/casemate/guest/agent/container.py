"""Containers and their processes: made by crun, watched by us (runtime.md §6.2)."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from casemate.errors import HostError
from casemate.guest.agent.streams import Input, Output
from casemate.linux import child, terminal
from casemate.linux.crun import Crun, Stdio
from casemate.wire.ttrpc_status import Code, TtrpcError

_UNSEEN: Final = 255
"""Status of a process that was gone before we could wait for it, as containerd gives it."""

_log = logging.getLogger(__name__)

_DRAIN: Final = 0.5
"""Seconds of silence after which the output of an ended process is over."""


class Process:
    """One process with its streams. ``status`` is set when it has ended and was reaped."""

    def __init__(
        self, pid: int, stdin: Input, stdout: Output, stderr: Output | None, master: int | None
    ) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self._master = master
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def status(self) -> int | None:
        """Exit code, or 128 plus a signal's number; None while it runs."""
        return self._status.result() if self._status.done() else None

    async def watch(self) -> None:
        """Reap the process when it ends, and let its streams end."""
        self._status.set_result(await self._end())
        await asyncio.gather(*(s.finish(_DRAIN) for s in (self.stdout, self.stderr) if s))
        self.stdin.close()

    async def _end(self) -> int:
        try:
            return await child.wait(self.pid)
        except HostError as error:
            _log.warning("process %d ended unseen: %s", self.pid, error)
            return _UNSEEN

    async def wait(self) -> int:
        """Wait for the end; any number of callers may."""
        return await asyncio.shield(self._status)

    def signal(self, number: int) -> None:
        """Send a signal.

        Raises:
            TtrpcError: NOT_FOUND when it has ended.
        """
        if self.status is not None:
            raise TtrpcError(Code.NOT_FOUND, f"process {self.pid} has ended")
        try:
            os.kill(self.pid, number)
        except ProcessLookupError as error:
            raise TtrpcError(Code.NOT_FOUND, f"process {self.pid} has ended") from error
        except (OSError, ValueError) as error:
            raise TtrpcError(Code.INVALID_ARGUMENT, f"signal {number}: {error}") from error

    def resize(self, *, rows: int, columns: int) -> None:
        """Set the size of its terminal.

        Raises:
            TtrpcError: it has none.
        """
        if self._master is None or self.stdout.ended:
            raise TtrpcError(Code.FAILED_PRECONDITION, "process has no terminal")
        terminal.resize(self._master, rows=rows, columns=columns)


class Container:
    """One container: its bundle folder, its first process and the ones executed later."""

    def __init__(self, name: str, bundle: Path, crun: Crun) -> None:
        self.name = name
        self.bundle = bundle
        self._crun = crun
        self._processes: dict[str, Process] = {}
        self._init: Process | None = None
        self._made = 0
        self._sources: dict[str, Path] = {}

    @property
    def init(self) -> Process:
        """The first process.

        Raises:
            TtrpcError: the container is not created yet.
        """
        if self._init is None:
            raise TtrpcError(Code.FAILED_PRECONDITION, f"container {self.name} has no process")
        return self._init

    @property
    def running(self) -> list[Process]:
        """The processes we started in it that have not ended."""
        return [p for p in self._processes.values() if p.status is None]

    def process(self, exec_id: str) -> Process:
        """Find a process; the first one by an empty id or the container's own name.

        Raises:
            TtrpcError: NOT_FOUND.
        """
        if exec_id in {"", self.name}:
            return self.init
        try:
            return self._processes[exec_id]
        except KeyError:
            raise TtrpcError(Code.NOT_FOUND, f"no process {exec_id} in {self.name}") from None

    def source_of(self, destination: str) -> Path | None:
        """What of the guest is mounted at a path of the container."""
        return self._sources.get(destination)

    async def create(self, document: Mapping[str, Any], exec_id: str) -> Process:
        """Write the bundle's document and create the first process, which waits for ``start``.

        Raises:
            HostError: crun refuses.
        """
        self._sources = {m["destination"]: Path(m["source"]) for m in document["mounts"]}
        (self.bundle / "config.json").write_bytes(msgspec.json.encode(document))
        self._init = await self._spawn(document["process"], None)
        self._processes[exec_id or self.name] = self._init
        return self._init

    async def start(self) -> None:
        """Let the first process run.

        Raises:
            HostError: crun refuses.
        """
        _ = self.init
        await self._crun.start(self.name)

    async def execute(self, exec_id: str, process: Mapping[str, Any]) -> Process:
        """Run one more process.

        Raises:
            TtrpcError: ALREADY_EXISTS.
            HostError: crun refuses.
        """
        if exec_id in self._processes or exec_id in {"", self.name}:
            raise TtrpcError(Code.ALREADY_EXISTS, f"process {exec_id!r} in {self.name}")
        made = await self._spawn(process, exec_id)
        self._processes[exec_id] = made
        return made

    async def signal(self, exec_id: str, number: int) -> None:
        """Signal a process; SIGKILL for the container itself reaches every process in it.

        A first process without a handler for SIGTERM would ignore it, being process 1 of its
        namespace: it gets SIGKILL.

        Raises:
            TtrpcError: NOT_FOUND when the process has ended.
        """
        process = self.process(exec_id)
        if process is self.init and number == signal.SIGTERM:
            number = self._deadly(process)
        process.signal(number)
        if not exec_id and number == signal.SIGKILL:
            await self._crun.kill_all(self.name, number)

    async def pause(self) -> None:
        """Freeze it."""
        await self._crun.pause(self.name)

    async def resume(self) -> None:
        """Thaw it."""
        await self._crun.resume(self.name)

    async def update(self, resources: Mapping[str, Any]) -> None:
        """Change its limits."""
        await self._crun.update(self.name, msgspec.json.encode(resources))

    async def remove(self) -> None:
        """Kill what runs and make crun forget it."""
        await self._crun.delete(self.name)
        for process in self._processes.values():
            with suppress(TtrpcError):
                process.signal(signal.SIGKILL)

    @staticmethod
    def _deadly(process: Process) -> int:
        handled = child.handles(process.pid, signal.SIGTERM)
        return signal.SIGTERM if handled else signal.SIGKILL

    async def _spawn(self, document: Mapping[str, Any], exec_id: str | None) -> Process:
        spawn = self._terminal if document.get("terminal") else self._piped
        return await spawn(document, exec_id)

    async def _piped(self, document: Mapping[str, Any], exec_id: str | None) -> Process:
        with ExitStack() as theirs, ExitStack() as ours:
            stdin, stdin_write = _pipe()
            stdout_read, stdout = _pipe()
            stderr_read, stderr = _pipe()
            for descriptor in (stdin, stdout, stderr):
                theirs.callback(os.close, descriptor)
                os.fchown(descriptor, document["user"]["uid"], document["user"]["gid"])
            for descriptor in (stdin_write, stdout_read, stderr_read):
                ours.callback(os.close, descriptor)
            pid = await self._run(document, exec_id, Stdio(stdin, stdout, stderr), None)
            ours.pop_all()
        return Process(pid, Input(stdin_write), Output(stdout_read), Output(stderr_read), None)

    async def _terminal(self, document: Mapping[str, Any], exec_id: str | None) -> Process:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            with terminal.ConsoleSocket(self._file("console")) as console:
                stdio = Stdio(null, null, null)
                pid = await self._run(document, exec_id, stdio, console.path)
                master = await console.receive()
        finally:
            os.close(null)
        output, input_ = Output(master), Input(os.dup(master))
        return Process(pid, input_, output, None, master)

    async def _run(
        self,
        document: Mapping[str, Any],
        exec_id: str | None,
        stdio: Stdio,
        console: Path | None,
    ) -> int:
        if exec_id is None:
            return await self._crun.create(self.name, self.bundle, stdio, console=console)
        file = self._file("process")
        file.write_bytes(msgspec.json.encode(document))
        return await self._crun.execute(
            self.name, file, file.with_suffix(".pid"), stdio, console=console
        )

    def _file(self, kind: str) -> Path:
        """A fresh name in the bundle; names from the host never become paths."""
        self._made += 1
        return self.bundle / f"{kind}-{self._made}"


def _pipe() -> tuple[int, int]:
    return os.pipe2(os.O_CLOEXEC)
