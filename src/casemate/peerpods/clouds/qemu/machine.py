"""One running VM: QEMU and its TPM emulator, from start to the last file removed.

Both programs die with us (parent-death signal), and each dies with the other: swtpm when QEMU
closes its channel, QEMU when its TPM is gone. So nothing is left behind, however we end.
"""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import CasemateError, HostError, PeerError
from casemate.linux.process import Child
from casemate.net import unix
from casemate.peerpods.clouds.qemu import arguments, disks
from casemate.peerpods.clouds.qemu.arguments import Machine
from casemate.peerpods.clouds.qemu.console import Console

_EARLY: Final = 0.25
"""Seconds in which QEMU finds fault with its arguments."""
_TAIL: Final = 400
"""Characters of QEMU's own messages in an error."""


class RunningMachine:
    """A VM whose processes have been started; :meth:`run` sees it to its end."""

    def __init__(self, folder: Path, console: Path, qemu: Child, tpm: Child) -> None:
        self.console = Console(console)
        self._folder = folder
        self._qemu = qemu
        self._tpm = tpm
        self._ended = asyncio.Event()
        self._message = ""

    @classmethod
    async def start(
        cls, machine: Machine, files: disks.VmFiles, *, console: Path
    ) -> "RunningMachine":
        """Start swtpm and QEMU; ``machine.tpm`` is replaced by the channel between the two.

        Raises:
            HostError: a program is missing or cannot be started.
        """
        ours, theirs = unix.pair()
        with ours, theirs, _log(files.folder).open("wb") as log:
            tpm = await Child.spawn(
                arguments.swtpm(files.tpm, theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdout=log,
                stderr=log,
            )
            try:
                planned = msgspec.structs.replace(machine, tpm=ours.fileno())
                qemu = await Child.spawn(
                    arguments.qemu(planned), pass_fds=[ours.fileno()], stderr=log
                )
            except BaseException:
                tpm.kill()
                raise
        return cls(files.folder, console, qemu, tpm)

    async def run(self) -> None:
        """Keep the console until QEMU ends, however that comes; then remove all that was made."""
        try:
            if self._qemu.stdout is not None:
                await self.console.read(self._qemu.stdout)
            await self._qemu.wait()
        finally:
            self._qemu.kill()
            self._tpm.kill()
            await self._qemu.wait()
            await self._tpm.wait()
            self._message = _tail(self._folder)
            if not self.port_was_taken:
                disks.remove(self._folder)
            self._ended.set()

    async def stop(self) -> None:
        """End the VM at once, as by pulling its plug; return when its files are gone."""
        self._qemu.kill()
        await self._ended.wait()

    async def settled(self) -> None:
        """Return when QEMU has taken its arguments, or has ended over them."""
        try:
            async with asyncio.timeout(_EARLY):
                await self._ended.wait()
        except TimeoutError:
            return

    @property
    def port_was_taken(self) -> bool:
        """Whether QEMU ended since its loopback port went to somebody else meanwhile."""
        return "host forwarding rule" in self._message

    async def failure(self) -> CasemateError:
        """Wait until the guest tells of a failure, or the VM ends; give the reason."""
        told = asyncio.ensure_future(self.console.failure())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({told, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            ended.cancel()
        return self.console.told_failure or self._end()

    def _end(self) -> CasemateError:
        if self._message:
            return HostError("QEMU", got=self._message, want="a running VM")
        return PeerError(
            "pod VM",
            got=f"it ended by itself; its last lines: {self.console.tail() or 'none'}",
            want="a running VM",
        )


def _log(folder: Path) -> Path:
    return folder / "qemu.log"


def _tail(folder: Path) -> str:
    """What QEMU and swtpm said last; swtpm's note on a closed channel is the usual end."""
    try:
        lines = _log(folder).read_text(errors="replace")[-4096:].splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip() and not line.startswith("swtpm:")]
    return " / ".join(said)[-_TAIL:]
