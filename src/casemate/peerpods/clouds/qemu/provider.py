"""The provider ``qemu``: plans a VM, makes its TPM and disks, starts it, forgets it again."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import CasemateError, HostError, InputError
from casemate.net import ports
from casemate.peerpods.clouds.qemu import acceleration, arguments, disks, vtpm
from casemate.peerpods.clouds.qemu.arguments import Disk, Machine
from casemate.peerpods.clouds.qemu.machine import RunningMachine
from casemate.peerpods.image import FindImage, VmImage
from casemate.peerpods.provider import Instance, InstanceSpec
from casemate.wire import console_log

_PORT_TRIES: Final = 5
_MOST_VCPUS: Final = 64
_LEAST_MEMORY: Final = 256  # MiB
_MOST_MEMORY: Final = 1 << 20  # MiB


class QemuSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider decides when a request leaves it open."""

    pods: Path
    """Each VM's files go to ``pods/<sandbox>/vm``, its console to ``pods/<sandbox>``."""
    accel: str = "auto"
    vcpus: int = 2
    memory: int = 1024
    """MiB."""
    scratch: int = 4096
    """MiB, sparse."""
    cache: Path | None = None
    """Where the answer of the acceleration probe is kept."""


class QemuProvider:
    """VMs on this machine. Each one runs as a task of ``tasks``, and ends with it at the latest."""

    def __init__(
        self,
        settings: QemuSettings,
        *,
        authority: CertificateAuthority,
        find_image: FindImage,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._settings = settings
        self._authority = authority
        self._find_image = find_image
        self._tasks = tasks
        self._machines: dict[str, RunningMachine] = {}
        self._accelerator: acceleration.Accelerator | None = None

    async def create_instance(
        self, *, name: str, sandbox: str, user_data: Mapping[str, bytes], spec: InstanceSpec
    ) -> Instance:
        """Make and start a VM (``peerpods.provider.Provider``)."""
        vcpus, memory = self._size(spec)
        image = await asyncio.to_thread(self._find_image, spec.image)  # reads and hashes files
        folder = self._settings.pods / sandbox / "vm"
        files = disks.make(folder, image, user_data, scratch_mib=self._settings.scratch)
        try:
            await asyncio.to_thread(vtpm.make, files.tpm, self._authority, name=name)
            planned = Machine(
                name=name,
                accelerator=await self._choose(),
                vcpus=vcpus,
                memory=memory,
                firmware_code=image.firmware_code,
                firmware_variables=files.firmware_variables,
                uki=image.uki,
                disks=_disks(image, files),
                tpm=-1,
                port=0,
            )
            return await self._start(planned, files, sandbox)
        except BaseException:
            disks.remove(folder)
            raise

    async def announced(self, instance: str) -> None:
        await self._machines[instance].console.ready.wait()

    async def failure(self, instance: str) -> CasemateError:
        return await self._machines[instance].failure()

    async def delete_instance(self, instance: str) -> None:
        if (machine := self._machines.pop(instance, None)) is not None:
            await machine.stop()

    async def teardown(self) -> None:
        for instance in list(self._machines):
            await self.delete_instance(instance)

    async def _start(self, planned: Machine, files: disks.VmFiles, sandbox: str) -> Instance:
        console = self._settings.pods / sandbox / console_log.NAME
        for _ in range(_PORT_TRIES):
            machine = msgspec.structs.replace(planned, port=ports.free())
            running = await RunningMachine.start(machine, files, console=console)
            self._tasks.create_task(running.run(), name=f"VM {planned.name}")
            self._machines[sandbox] = running
            try:
                await running.settled()
            except BaseException:
                await self.delete_instance(sandbox)
                raise
            if not running.port_was_taken:
                host = arguments.LOOPBACK
                return Instance(id=sandbox, name=planned.name, host=host, port=machine.port)
        raise HostError("forwarded port", got=f"{_PORT_TRIES} ports taken", want="a free one")

    async def _choose(self) -> acceleration.Accelerator:
        if self._accelerator is None:
            settings = self._settings
            self._accelerator = await acceleration.choose(settings.accel, cache=settings.cache)
        return self._accelerator

    def _size(self, spec: InstanceSpec) -> tuple[int, int]:
        vcpus = spec.vcpus or self._settings.vcpus
        memory = spec.memory or self._settings.memory
        if not 1 <= vcpus <= _MOST_VCPUS:
            raise InputError("vCPUs of the VM", got=vcpus, want=f"1 to {_MOST_VCPUS}")
        if not _LEAST_MEMORY <= memory <= _MOST_MEMORY:
            raise InputError(
                "memory of the VM", got=f"{memory} MiB", want=f"{_LEAST_MEMORY} MiB to 1 TiB"
            )
        return vcpus, memory


def _disks(image: VmImage, files: disks.VmFiles) -> tuple[Disk, ...]:
    return (
        Disk(serial="root", file=image.root, read_only=True),
        Disk(serial="userdata", file=files.user_data, read_only=True),
        Disk(serial="scratch", file=files.scratch, read_only=False),
    )
