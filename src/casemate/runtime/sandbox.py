"""A pod from request to running, and to its end: the same steps whoever asks (design §1)."""

import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import CasemateError, Refusal, VerificationError
from casemate.runtime import keeping, road, specification
from casemate.runtime.agent import Agent
from casemate.runtime.hypervisor import Hypervisor
from casemate.runtime.record import Container, KeptTrace, Pod, Pods, PodState
from casemate.runtime.request import PodRequest
from casemate.trace import Span
from casemate.wire.hypervisor import VmWishes

Progress = Callable[[str], None]

_log = logging.getLogger(__name__)

_ID: Final = 32
"""Bytes of a sandbox's and a container's id, as containerd makes them."""


class Sandboxes:
    """The pods of one node: an adaptor's socket and the records beside it."""

    def __init__(self, state: Path, *, adaptor: Path | None = None) -> None:
        self.state = state
        self.pods = Pods(state)
        self._hypervisor = Hypervisor(adaptor or state / "adaptor.sock")

    async def run(self, request: PodRequest, *, progress: Progress, remove: bool = False) -> Pod:
        """Take a pod to running; with ``remove``, it goes away when its containers have ended.

        Whatever fails, no VM is left; the record stays, with the reason, unless we are interrupted.

        Raises:
            VerificationError: refused at some station; the refusal says why.
            CasemateError: it could not be done.
        """
        pod = Pod(
            id=secrets.token_hex(_ID),
            name=request.name,
            namespace=request.namespace,
            created=time.time(),
        )
        try:
            pod = self.pods.write(_marked(pod, "request"))
            pod = await self._launch(pod, request, progress)
            return await self._start(pod, request, progress, remove=remove)
        except CasemateError as error:
            await self._give_up(pod, error)
            raise
        except BaseException:
            await self._abandon(pod)
            raise

    async def remove(self, pod: Pod) -> list[Span]:
        """End a pod's VM and forget it; gives its whole trace, which is kept.

        Raises:
            HostError: no adaptor answers although the pod has a VM.
        """
        pod = _marked(pod, "stopping")
        if pod.agent:
            await self._stop(pod)
        if pod.keeper is not None:
            keeping.end(pod.keeper)
        pod = _marked(pod, "stopped")
        spans = self.trace(pod)
        self.pods.keep_trace(KeptTrace(pod=pod.id, name=pod.name, spans=tuple(spans)))
        self.pods.remove(pod)
        return spans

    def trace(self, pod: Pod) -> list[Span]:
        """Give the spans of a pod's road so far."""
        return road.spans(pod.marks, road.read_events(self.pods.folder(pod.id)), now=time.time())

    async def _launch(self, pod: Pod, request: PodRequest, progress: Progress) -> Pod:
        progress("launch: making the VM")
        wishes = VmWishes(
            pod=request.name,
            namespace=request.namespace,
            machine_type=request.machine_type,
            image=request.vm_image,
            vcpus=request.vcpus,
            memory=request.memory,
            initdata=request.initdata.raw if request.initdata else b"",
        )
        digest = str(request.initdata.digest) if request.initdata else ""
        pod = msgspec.structs.replace(_marked(pod, "launch"), initdata_digest=digest)
        agent = await self._hypervisor.create(pod.id, wishes)
        pod = self.pods.write(msgspec.structs.replace(pod, agent=str(agent)))
        progress("boot: firmware, kernel, verified root")
        await self._hypervisor.start(pod.id)
        return self.pods.write(_marked(pod, "connected"))

    async def _start(
        self, pod: Pod, request: PodRequest, progress: Progress, *, remove: bool
    ) -> Pod:
        async with await Agent.connect(Path(pod.agent)) as agent:
            await agent.check()
            await agent.create_sandbox(pod.id, request.name)
            pod = _marked(pod, "creating")
            for container in request.containers:
                identity = secrets.token_hex(_ID)
                progress(f"attest, pull, start: {container.image}")
                await agent.create_container(
                    specification.create_container(
                        request, container, sandbox=pod.id, identity=identity
                    )
                )
                made = Container(name=container.name, id=identity, image=container.image)
                pod = msgspec.structs.replace(pod, containers=(*pod.containers, made))
                pod = self.pods.write(_marked(pod, "created"))
            for made in pod.containers:
                await agent.start_container(made.id)
        pod = _marked(msgspec.structs.replace(pod, state=PodState.RUNNING), "started")
        self.pods.write(pod)
        keeper = keeping.begin(self.state, pod.id, log=self.pods.folder(pod.id), remove=remove)
        return self.pods.write(msgspec.structs.replace(pod, keeper=keeper))

    async def _give_up(self, pod: Pod, error: CasemateError) -> None:
        """End the VM and keep the reason beside the record."""
        known = self.pods.read(pod.id)
        await self._stop_quietly(known)
        refusal: Refusal | None = error.refusal if isinstance(error, VerificationError) else None
        self.pods.write(
            msgspec.structs.replace(
                _marked(known, "stopped"),
                state=PodState.REFUSED if refusal else PodState.FAILED,
                agent="",
                refusal=refusal,
                message=str(error),
            )
        )

    async def _abandon(self, pod: Pod) -> None:
        """Interrupted: leave neither VM nor record."""
        known = self.pods.read(pod.id)
        await self._stop_quietly(known)
        self.pods.remove(known)

    async def _stop(self, pod: Pod) -> None:
        await self._hypervisor.stop(pod.id)

    async def _stop_quietly(self, pod: Pod) -> None:
        """The reason we stop is what the caller must see, not that stopping failed too."""
        if pod.agent:
            try:
                await self._stop(pod)
            except CasemateError as error:
                _log.warning("%s: not stopped: %s", pod.name, error)


def _marked(pod: Pod, name: str) -> Pod:
    return msgspec.structs.replace(pod, marks={**pod.marks, name: time.time()})
