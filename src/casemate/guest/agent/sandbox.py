"""The one pod of this machine: its containers, what they share, and how all of it ends."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.errors import CasemateError, HostError, InputError
from casemate.guest.agent import bundle, image_defaults, rehearsal, users
from casemate.guest.agent.container import Container, Process
from casemate.guest.agent.storages import Storages
from casemate.linux import cgroup, mount, namespace
from casemate.linux.crun import Crun
from casemate.wire.pb import agent_pb2
from casemate.wire.ttrpc_status import Code, TtrpcError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_KIND: Final = "io.kubernetes.cri.container-type"
_PAUSE: Final = "pause"
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{0,64}")
"""What Linux takes for a machine's name, and cannot be more than a name in ``/etc/hosts``."""
_HOSTNAME: Final = "pod"
"""Where the host gives none."""
_END: Final = 10.0
"""Seconds for killed processes to be gone."""


class Folders(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sandbox keeps its things; tests move them."""

    containers: Path = Path("/run/kata-containers")
    sandbox: Path = Path("/run/kata-containers/sandbox")
    crun: Path = Path("/run/crun")
    resolver: Path = Path("/run/resolv.conf")
    cgroups: Path = cgroup.ROOT


class Pause:
    """The pod's sandbox container. The pod VM itself holds what a pause process would hold."""

    def __init__(self) -> None:
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def signal(self, number: int) -> None:
        """End on the signals that end a pause process."""
        if self._status.done():
            raise TtrpcError(Code.NOT_FOUND, "sandbox container has ended")
        if number in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT}:
            self._status.set_result(128 + number if number == signal.SIGKILL else 0)

    async def wait(self) -> int:
        """Wait for such a signal."""
        return await asyncio.shield(self._status)


class Sandbox:
    """State of the pod; ``stopped`` is set at the end.

    Args:
        tasks: runs what watches processes.
        serve_containers: returns once everything listens that a container may use. Asked while the
            first container is made, and waited for before a process of any runs.
    """

    def __init__(
        self,
        crun: Crun,
        storages: Storages,
        tasks: asyncio.TaskGroup,
        folders: Folders,
        *,
        serve_containers: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._crun = crun
        self._storages = storages
        self._tasks = tasks
        self._folders = folders
        self._containers: dict[str, Container] = {}
        self._pauses: dict[str, Pause] = {}
        self._points: dict[str, list[Path]] = {}
        self._making: set[str] = set()
        self._images: dict[str, image_defaults.ImageDefaults] = {}
        self._hostname = ""
        self._id: str | None = None
        self._rehearsed = False
        self._serve_containers = serve_containers
        self._served: asyncio.Task[None] | None = None
        self._namespaces: asyncio.Task[Mapping[str, Path]] | None = None
        self.oom: asyncio.Queue[str] = asyncio.Queue()
        """Containers in which the kernel killed for want of memory."""
        self.stopped = asyncio.Event()

    async def create(self, request: agent_pb2.CreateSandboxRequest) -> None:
        """Set up what the pod's containers share.

        Raises:
            TtrpcError: there is a sandbox already.
            InputError: hooks or kernel modules, which a pod VM does not take from its host; or a
                hostname that is none.
        """
        if self._id is not None:
            raise TtrpcError(Code.ALREADY_EXISTS, f"sandbox {self._id}")
        if request.guest_hook_path or request.kernel_modules:
            raise InputError("CreateSandbox", got="hooks or modules", want="neither")
        if _HOST.fullmatch(request.hostname) is None:
            want = "at most 64 letters, digits, . _ -"
            raise InputError("CreateSandbox hostname", got=request.hostname, want=want)
        self._hostname = request.hostname
        self._share(list(request.dns))
        self._points[""] = await self._storages.add(request.storages, None)
        self._id = request.sandbox_id

    async def create_container(self, request: agent_pb2.CreateContainerRequest) -> None:
        """Prepare storages and create the container's first process.

        Raises:
            TtrpcError: no sandbox yet, or the name is taken.
            InputError: what it asks for cannot be.
            VerificationError: its image was refused.
        """
        name = self._free(request.container_id)
        if request.OCI.Annotations.get(_KIND) == "sandbox":
            self._pauses[name] = Pause()
            return
        folder = self._folders.containers / name
        _make(folder)
        self._making.add(name)
        try:
            await self._make_container(name, folder, request)
        except BaseException:
            await self._abandon(name, folder)
            raise
        finally:
            self._making.discard(name)

    def container(self, name: str) -> Container:
        """Find a container.

        Raises:
            TtrpcError: NOT_FOUND.
        """
        try:
            return self._containers[name]
        except KeyError:
            raise TtrpcError(Code.NOT_FOUND, f"no container {name}") from None

    def pause(self, name: str) -> Pause | None:
        """The sandbox container, if ``name`` is it."""
        return self._pauses.get(name)

    async def start(self, name: str) -> None:
        """Let the first process of a container run.

        Raises:
            TtrpcError: no such container.
            HostError: crun refuses.
        """
        found = self.container(name)
        await asyncio.shield(self._serving())
        await found.start()

    async def execute(self, request: agent_pb2.ExecProcessRequest) -> None:
        """Run one more process in a container.

        Raises:
            TtrpcError: no such container, or the name is taken.
        """
        found = self.container(request.container_id)
        await asyncio.shield(self._serving())
        root = found.bundle / "rootfs"
        user = request.string_user if request.HasField("string_user") else None
        image = msgspec.structs.replace(self._images[found.name], args=())
        accounts = users.read(root)
        document = bundle.compose_process(request.process, image, accounts, user=user)
        self._watch(await found.execute(request.exec_id, document))

    async def remove_container(self, name: str, seconds: float) -> None:
        """Kill a container and take everything of it away; ``seconds`` to wait, 0 for ever.

        Raises:
            TtrpcError: no such container, or its processes do not end in time.
        """
        if self._pauses.pop(name, None) is not None:
            return
        found = self.container(name)
        running = found.running
        await found.remove()
        try:
            async with asyncio.timeout(seconds or None):
                await asyncio.gather(*(p.wait() for p in running))
        except TimeoutError as error:
            raise TtrpcError(Code.DEADLINE_EXCEEDED, f"{name} still runs") from error
        del self._containers[name]
        self._images.pop(name, None)
        self._storages.remove(self._points.pop(name, []))
        _clear(found.bundle)
        await self._storages.drop_image(found.bundle)

    async def destroy(self) -> None:
        """End every container and tell process 1 that the pod is over."""
        for name in [*self._containers, *self._pauses]:
            with suppress(CasemateError):
                await self.remove_container(name, _END)
        self._storages.remove(self._points.pop("", []))
        self.stopped.set()

    def usage(self, name: str) -> cgroup.Usage:
        """What a container has used."""
        return cgroup.read(self._folders.cgroups / "pod" / self.container(name).name)

    async def _make_container(
        self, name: str, folder: Path, request: agent_pb2.CreateContainerRequest
    ) -> None:
        self._rehearse()
        shared = self._sharing()
        self._points[name] = await self._storages.add(request.storages, folder)
        self._serving()
        root = folder / "rootfs"
        image = image_defaults.read(folder)
        self._images[name] = image
        place = bundle.Place(
            container=name,
            rootfs=root,
            hostname=self._hostname,
            namespaces=await asyncio.shield(shared),
            binds=(self._folders.containers / "shared/containers", self._folders.sandbox),
            files=self._files(),
        )
        user = request.string_user if request.HasField("string_user") else None
        document = bundle.compose(request.OCI, place, image, users.read(root), user=user)
        _confine(document["mounts"], place.binds)
        made = Container(name, folder, self._crun)
        process = await made.create(document, request.exec_id)
        self._containers[name] = made
        self._watch(process, name)

    def _serving(self) -> asyncio.Task[None]:
        """Have what containers use opened, beside what else goes on; if it fails the pod ends."""
        if self._served is None:
            serving = self._serve_containers()
            self._served = self._tasks.create_task(serving, name="containers served")
        return self._served

    def _sharing(self) -> asyncio.Task[Mapping[str, Path]]:
        """Have the containers' common namespaces made, beside the first pull; see ``_rehearse``."""
        if self._namespaces is None:
            making = _make_namespaces(self._folders.sandbox, self._hostname)
            self._namespaces = self._tasks.create_task(making, name="namespaces")
        return self._namespaces

    def _rehearse(self) -> None:
        """Make a container of nothing beside the first pull; a machine that cannot ends the pod."""
        if not self._rehearsed:
            self._rehearsed = True
            making = rehearsal.rehearse(self._crun, self._folders.containers)
            self._tasks.create_task(making, name="rehearsal")

    def _free(self, name: str) -> str:
        if self._id is None:
            raise TtrpcError(Code.FAILED_PRECONDITION, "no sandbox yet")
        if _NAME.fullmatch(name) is None:
            raise InputError("container id", got=name, want="letters, digits, . _ - (128 at most)")
        if name in self._containers or name in self._pauses or name in self._making:
            raise TtrpcError(Code.ALREADY_EXISTS, f"container {name}")
        return name

    async def _abandon(self, name: str, folder: Path) -> None:
        """Leave nothing of a container whose creation failed."""
        self._storages.remove(self._points.pop(name, []))
        self._images.pop(name, None)
        with suppress(HostError):
            await self._crun.delete(name)
        _clear(folder)
        await self._storages.drop_image(folder)

    def _watch(self, process: Process, name: str = "") -> None:
        self._tasks.create_task(self._attend(process, name), name=f"process {process.pid}")

    async def _attend(self, process: Process, name: str) -> None:
        await process.watch()
        if name in self._containers and self.usage(name).oom_kills:
            self.oom.put_nowait(name)

    def _share(self, dns: list[str]) -> None:
        folder = self._folders.sandbox
        folder.mkdir(parents=True, exist_ok=True)
        host = self._hostname or _HOSTNAME
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {host}\n")
        if dns:
            (folder / "resolv.conf").write_text("".join(f"{line}\n" for line in dns))
        elif self._folders.resolver.exists():
            (folder / "resolv.conf").write_bytes(self._folders.resolver.read_bytes())

    def _files(self) -> dict[str, Path]:
        folder = self._folders.sandbox
        files = {"/etc/hosts": folder / "hosts", "/etc/resolv.conf": folder / "resolv.conf"}
        return {target: source for target, source in files.items() if source.exists()}


async def _make_namespaces(folder: Path, hostname: str) -> Mapping[str, Path]:
    """Make them, each kept by a file in ``folder``; a machine that cannot ends the pod."""
    kept = {kind: folder / kind for kind in ("ipc", "uts")}
    for kind, file in kept.items():
        namespace.persist(kind, file, hostname=hostname or _HOSTNAME)
    return MappingProxyType(kept)


def _confine(mounts: list[dict[str, Any]], folders: Sequence[Path]) -> None:
    """Follow the links in bind sources: they too must stay within the pod's folders."""
    for row in mounts:
        if row["type"] == "bind" or {"bind", "rbind"} & set(row["options"]):
            row["source"] = bundle.bind_source(os.path.realpath(row["source"]), folders)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError as error:
        raise TtrpcError(Code.ALREADY_EXISTS, f"bundle {folder.name}") from error


def _clear(folder: Path) -> None:
    for point in mount.below(folder):
        mount.unmount(point, lazy=True)
    shutil.rmtree(folder, ignore_errors=True)
