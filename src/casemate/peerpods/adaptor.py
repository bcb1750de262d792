"""Pods become VMs: the rules of CreateVM, StartVM and StopVM (runtime.md §4, §7.2).

All three may be repeated: a second CreateVM with the same wishes gives the same path, a second
StartVM joins the first, and StopVM of something gone is done already.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import CasemateError, InputError
from casemate.net.forward import Streams
from casemate.peerpods import names, userdata
from casemate.peerpods.channel import AgentSocket, Channel, ChannelKeys
from casemate.peerpods.provider import Instance, InstanceSpec, Provider
from casemate.wire.hypervisor import VmWishes
from casemate.wire.ttrpc_status import Code, TtrpcError

SOCKET: Final = "agent.ttrpc"
"""Name of the agent's socket in a pod's folder (runtime.md §7.1)."""

_log = logging.getLogger(__name__)


class AdaptorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the adaptor; upstream's names in brackets."""

    pods: Path
    """Folder that holds a folder for each sandbox (pods-dir)."""
    most_pods: int = 10
    """VMs at one time (peerpods-limit-per-node)."""
    connect_seconds: float = 300.0
    """From the VM's start to a channel to its agent (proxy-timeout)."""
    announce_seconds: float = 120.0
    """How long to wait for the VM's word that it is ready before knocking anyway."""


class _Sandbox:
    """One pod's VM. ``turn`` lets one call at a time change it."""

    def __init__(self, wishes: VmWishes, name: str, folder: Path) -> None:
        self.wishes = wishes
        self.name = name
        self.folder = folder
        self.turn = asyncio.Lock()
        self.made = asyncio.Event()
        self.instance: Instance | None = None
        self.agent: AgentSocket | None = None


class Adaptor:
    """All sandboxes of this node. State is in memory: VMs do not outlive the adaptor."""

    def __init__(self, provider: Provider, keys: ChannelKeys, settings: AdaptorSettings) -> None:
        self._provider = provider
        self._keys = keys
        self._settings = settings
        self._sandboxes: dict[str, _Sandbox] = {}
        self._changed = asyncio.Condition()

    async def create(self, sandbox: str, wishes: VmWishes) -> Path:
        """Remember a sandbox; give the path at which its agent will be reached.

        Raises:
            InputError: an id that cannot name a folder, or wishes this node cannot meet.
            TtrpcError: the id is taken by another pod, or this node is full.
        """
        known = self._sandboxes.get(names.sandbox_id(sandbox))
        if known is not None:
            if known.wishes != wishes:
                raise TtrpcError(Code.ALREADY_EXISTS, f"sandbox {sandbox} with other wishes")
            return known.folder / SOCKET
        if wishes.gpus:
            raise InputError("GPUs", got=wishes.gpus, want="none: this provider has no GPUs")
        if len(self._sandboxes) >= self._settings.most_pods:
            limit = self._settings.most_pods
            raise TtrpcError(Code.RESOURCE_EXHAUSTED, f"{limit} pods: this node's limit")
        folder = self._settings.pods / sandbox
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = names.instance_name(wishes.pod, sandbox)
        self._sandboxes[sandbox] = _Sandbox(wishes, name, folder)
        return folder / SOCKET

    async def start(self, sandbox: str) -> None:
        """Make the VM and open the channel to its agent; on any error the VM is ended again.

        Raises:
            TtrpcError: unknown sandbox.
            VerificationError: the guest refused to go on, and told why.
            HostError, PeerError: the VM cannot be made, ended, or cannot be reached.
        """
        entry = self._known(sandbox)
        async with entry.turn:
            if entry.agent is not None:
                return
            try:
                await self._launch(sandbox, entry)
            except BaseException:
                await self._end(entry)
                raise

    async def stop(self, sandbox: str) -> None:
        """End the VM and forget the sandbox; an unknown one has been stopped already."""
        entry = self._sandboxes.pop(names.sandbox_id(sandbox), None)
        if entry is not None:
            async with entry.turn:
                await self._end(entry)

    async def stop_all(self) -> None:
        """End every VM."""
        for sandbox in list(self._sandboxes):
            await self.stop(sandbox)
        await self._provider.teardown()

    async def instance_of(self, pod: str, namespace: str, *, wait: bool) -> str:
        """Give the VM's id of a pod by name (PodVMInfo); with ``wait``, hold until it exists.

        Raises:
            TtrpcError: no such pod, or it has no VM yet.
        """
        while True:
            for entry in self._sandboxes.values():
                wishes = entry.wishes
                if (wishes.pod, wishes.namespace) == (pod, namespace) and entry.instance:
                    return entry.instance.id
            if not wait:
                raise TtrpcError(Code.NOT_FOUND, f"no VM of pod {namespace}/{pod}")
            async with self._changed:
                await self._changed.wait()

    async def _launch(self, sandbox: str, entry: _Sandbox) -> None:
        wishes = entry.wishes
        config = self._keys.forwarder_config(
            instance=entry.name, pod=wishes.pod, namespace=wishes.namespace
        )
        entry.instance = await self._provider.create_instance(
            name=entry.name,
            sandbox=sandbox,
            user_data=userdata.files(config, wishes.initdata),
            spec=InstanceSpec(
                vcpus=wishes.vcpus,
                memory=wishes.memory,
                image=wishes.image,
                machine_type=wishes.machine_type,
            ),
        )
        async with self._changed:
            self._changed.notify_all()
        _log.info("%s: VM %s started", entry.name, entry.instance.id)
        channel = Channel(
            self._keys.client_context,
            host=entry.instance.host,
            port=entry.instance.port,
            name=entry.name,
        )
        first = await self._connect(entry.instance, channel)
        agent = AgentSocket(entry.folder / SOCKET, channel, first)
        await agent.listen()
        entry.agent = agent
        _log.info("%s: agent reached", entry.name)

    async def _connect(self, instance: Instance, channel: Channel) -> Streams:
        """Connect, or fail as soon as the VM does."""
        knock = asyncio.ensure_future(self._knock(instance, channel))
        fail = asyncio.ensure_future(self._provider.failure(instance.id))
        try:
            await asyncio.wait({knock, fail}, return_when=asyncio.FIRST_COMPLETED)
            if knock.done() and not knock.exception():
                return knock.result()
            raise await self._reason(knock, fail)
        finally:
            knock.cancel()
            fail.cancel()
            await asyncio.gather(knock, fail, return_exceptions=True)

    async def _knock(self, instance: Instance, channel: Channel) -> Streams:
        try:
            async with asyncio.timeout(self._settings.announce_seconds):
                await self._provider.announced(instance.id)
        except TimeoutError:
            _log.info("%s: no word from the VM, trying it anyway", instance.name)
        return await channel.open_patiently(self._settings.connect_seconds)

    @staticmethod
    async def _reason(
        knock: asyncio.Future[Streams], fail: asyncio.Future[CasemateError]
    ) -> BaseException:
        """Give the VM's own reason if there is one: a lost connection is only its echo."""
        if fail.done():
            return fail.result()
        return knock.exception() or RuntimeError("neither connected nor failed")

    async def _end(self, entry: _Sandbox) -> None:
        if entry.agent is not None:
            await entry.agent.close()
            entry.agent = None
        if entry.instance is not None:
            await self._provider.delete_instance(entry.instance.id)
            _log.info("%s: VM ended", entry.name)
            entry.instance = None

    def _known(self, sandbox: str) -> _Sandbox:
        entry = self._sandboxes.get(names.sandbox_id(sandbox))
        if entry is None:
            raise TtrpcError(Code.NOT_FOUND, f"sandbox {sandbox}: CreateVM comes first")
        return entry
