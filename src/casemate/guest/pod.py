"""The pod's services, put together: provisioned, measured, then served until the pod is over."""

import asyncio
import gc
from concurrent.futures import Future
from pathlib import Path
from typing import Final, NoReturn

from casemate.errors import HostError
from casemate.guest import forwarder, log_lines, machine, provision
from casemate.guest.agent import default_policy
from casemate.guest.agent.policy import AgentPolicy
from casemate.guest.agent.sandbox import Folders, Sandbox
from casemate.guest.agent.service import Agent
from casemate.guest.agent.storages import Storages
from casemate.guest.attestation import serve as attestation
from casemate.guest.console import Console
from casemate.guest.hub import serve as hub
from casemate.guest.provision import Provision
from casemate.guest.reaper import Reaper
from casemate.guest.reporting import Stations
from casemate.guest.rest import serve as rest
from casemate.guest.rest.api import Features
from casemate.linux.crun import Crun
from casemate.net.ttrpc import Server, Services
from casemate.tee import attesters
from casemate.tee.attesters import Attester
from casemate.trace import Station
from casemate.wire.console import ConsoleEvent, EventKind

_POLICY: Final = "policy.rego"
_LAST_WORDS: Final = 0.2
"""Seconds for the answer to DestroySandbox to leave the machine."""


async def serve(console: Console, sealed: Future[bool]) -> None:
    """Serve the pod until its sandbox is destroyed; ``sealed`` tells when the scratch disk is.

    Raises:
        CasemateError: the pod cannot be what it must be.
    """
    log_lines.configure()
    asyncio.get_running_loop().set_exception_handler(log_lines.tell_lost_error)
    _watch_children()
    Reaper().install()
    given, attester = _provision(console)
    try:
        async with asyncio.TaskGroup() as tasks:
            await Pod(given, attester, console, tasks, sealed).serve()
            await _end()
    except* PodOver:
        console.end(Station.STOP)


def _watch_children() -> None:
    """Wait for programs by descriptors, not by a thread for each."""
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.get_event_loop_policy().set_child_watcher(watcher)


async def _end() -> NoReturn:
    await asyncio.sleep(_LAST_WORDS)
    raise PodOver


class PodOver(Exception):  # noqa: N818  # an end, not an error: it unwinds what still runs
    """The sandbox was destroyed."""


def _provision(console: Console) -> tuple[Provision, Attester]:
    """Read what we were given and bind it; the network comes up last, when it is measured."""
    console.begin(Station.INITDATA)
    given, files = provision.parse(provision.read_disk())
    attester = attesters.detect()
    provision.bind(given, attester)
    provision.write(given, files)
    machine.configure_network()
    digest = "none" if given.initdata is None else str(given.initdata.digest)
    console.end(Station.INITDATA, f"bound {digest}")
    return given, attester


class Pod:
    """All services of one pod, and the tasks that prepare what they need."""

    def __init__(
        self,
        given: Provision,
        attester: Attester,
        console: Console,
        tasks: asyncio.TaskGroup,
        sealed: Future[bool],
    ) -> None:
        self._given = given
        self._console = console
        self._tasks = tasks
        self._met = False
        self._scratch = tasks.create_task(self._await_scratch(sealed))
        self._policy: AgentPolicy | None = None
        stations = Stations(console.report)
        self._attestation = attestation.build(attester, given.initdata, stations)
        self._hub = hub.build(self._attestation, given.initdata, stations)
        storages = Storages(self._pull, drop=self._hub.drop)
        self._sandbox = Sandbox(Crun(Folders().crun), storages, tasks, Folders())

    async def serve(self) -> None:
        """Open every socket, then the door to the outside, and wait for the end."""
        console = self._console
        console.begin(Station.CONNECT)
        self._tasks.create_task(self._hub.prepare())
        await _listen(attestation.SOCKET, attestation.services(self._attestation))
        await _listen(hub.SOCKET, self._hub.services)
        agent = Agent(self._sandbox, self._current_policy)
        await _listen(forwarder.AGENT_SOCKET, agent.services())
        await rest.serve(self._attestation, self._hub.resources, Features.ALL)
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
        await self._hub.pull(reference, bundle)

    async def _await_scratch(self, sealed: Future[bool]) -> None:
        present = await asyncio.wrap_future(sealed)
        if present:
            self._note(Station.BOOT, "scratch disk sealed")
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

    def _note(self, station: Station, note: str) -> None:
        self._console.report(ConsoleEvent(kind=EventKind.NOTE, station=station, note=note))


async def _listen(path: Path, services: Services) -> None:
    await Server(services).serve_unix(path)
