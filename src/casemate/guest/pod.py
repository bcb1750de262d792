"""The agent's process: the pod's door and its containers, until the pod is over."""

import asyncio
import gc
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from casemate.errors import HostError
from casemate.guest import forwarder, loop
from casemate.guest.agent import default_policy
from casemate.guest.agent.policy import AgentPolicy
from casemate.guest.agent.sandbox import Folders, Sandbox
from casemate.guest.agent.service import Agent
from casemate.guest.agent.storages import Storages
from casemate.guest.console import Console
from casemate.guest.provision import Provision
from casemate.guest.reaper import Reaper
from casemate.guest.storage import sealing
from casemate.guest.vault_client import VaultClient
from casemate.linux import child
from casemate.linux.crun import Crun
from casemate.net.ttrpc import Server
from casemate.net.unix import Channel
from casemate.trace import Station
from casemate.wire.console import ConsoleEvent, EventKind

_POLICY: Final = "policy.rego"
_LAST_WORDS: Final = 0.2
"""Seconds for the answer to DestroySandbox to leave the machine."""


class Beside(msgspec.Struct, frozen=True):
    """The processes that were started before this one became the agent."""

    sealing: int
    """Seals the scratch disk, then ends."""
    vault: int
    channel: Channel
    """To the vault."""


class PodOver(Exception):  # noqa: N818  # an end, not an error: it unwinds what still runs
    """The sandbox was destroyed."""


async def serve(given: Provision, console: Console, beside: Beside) -> None:
    """Serve the pod until its sandbox is destroyed.

    Raises:
        CasemateError: the pod cannot be what it must be.
    """
    loop.prepare()
    Reaper().install()
    vault = await VaultClient.connect(beside.channel)
    try:
        async with asyncio.TaskGroup() as tasks:
            await Pod(given, console, tasks, beside, vault).serve()
            await _end()
    except* PodOver:
        console.end(Station.STOP)
    finally:
        await vault.close()


async def _end() -> NoReturn:
    await asyncio.sleep(_LAST_WORDS)
    raise PodOver


class Pod:
    """The agent of one pod, and the tasks that see to the processes beside it."""

    def __init__(
        self,
        given: Provision,
        console: Console,
        tasks: asyncio.TaskGroup,
        beside: Beside,
        vault: VaultClient,
    ) -> None:
        self._given = given
        self._console = console
        self._met = False
        self._vault = vault
        self._scratch = tasks.create_task(self._await_scratch(beside.sealing))
        tasks.create_task(_require_running(beside.vault))
        self._policy: AgentPolicy | None = None
        storages = Storages(self._pull, drop=vault.drop)
        self._sandbox = Sandbox(
            Crun(Folders().crun),
            storages,
            tasks,
            Folders(),
            serve_containers=vault.serve_containers,
        )
        self._agent = Agent(self._sandbox, self._current_policy, processes=("self", beside.vault))

    async def serve(self) -> None:
        """Open the agent's socket, then the door to the outside, and wait for the end."""
        console = self._console
        console.begin(Station.CONNECT)
        await Server(self._agent.services()).serve_unix(forwarder.AGENT_SOCKET)
        await forwarder.serve(self._given.forwarder, on_connection=self._connected)
        console.report(ConsoleEvent(kind=EventKind.READY, station=Station.CONNECT))
        await self._current_policy()
        gc.freeze()  # what is loaded now stays for good
        gc.enable()
        await self._sandbox.stopped.wait()
        console.begin(Station.STOP)

    def _connected(self) -> None:
        """The adaptor is there; what it opens later is no news."""
        if not self._met:
            self._met = True
            self._console.end(Station.CONNECT)

    async def _pull(self, reference: str, bundle: Path) -> None:
        """Pull an image, once there is an encrypted place for it."""
        await asyncio.shield(self._scratch)
        await self._vault.pull(reference, bundle)

    async def _await_scratch(self, process: int) -> None:
        present = await sealing.wait(process)
        if present:
            self._console.note(Station.BOOT, "scratch disk sealed")
        elif self._given.scratch:
            raise HostError("scratch disk", got="none", want="the disk that user data promises")

    async def _current_policy(self) -> AgentPolicy:
        """Compile on this thread (the engine serves no other), once the door is open.

        A policy that does not compile ends the pod.
        """
        if self._policy is None:
            self._policy = self._compiled_policy()
        return self._policy

    def _compiled_policy(self) -> AgentPolicy:
        document = self._given.initdata
        if document is not None and (text := document.data.get(_POLICY)) is not None:
            return AgentPolicy(text, name=f"initdata {_POLICY}")
        return AgentPolicy(default_policy.TEXT, name=default_policy.NAME)


async def _require_running(vault: int) -> NoReturn:
    """End the pod when the vault has ended: there is no half-alive guest."""
    status = await child.wait(vault)
    raise HostError("vault", got=f"ended with status {status}", want="running while the pod does")
