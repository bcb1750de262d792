"""The keeper: one small process for each pod, which keeps its containers' output and exit codes.

It lives as long as the pod's agent can be reached, so it ends with the VM, whoever ends that.
"""

import asyncio
import sys
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from casemate import files
from casemate.errors import VerificationError
from casemate.linux import daemon
from casemate.linux.daemon import Daemon
from casemate.runtime.agent import Agent
from casemate.runtime.record import Container, Pod, Pods, PodState

LARGEST_LOG: Final = 16 << 20
"""Bytes that are kept of one stream; the rest is read and dropped."""
STREAMS: Final = ("Stdout", "Stderr")

_GRACE: Final = 2.0


def begin(state: Path, pod: str, *, log: Path, remove: bool) -> Daemon:
    """Start a keeper beside us; it outlives this process."""
    words = [sys.executable, "-P", "-m", "casemate.runtime.keeper", str(state), pod]
    return daemon.spawn([*words, *(["--remove"] if remove else [])], log=log / "keeper.log")


def end(keeper: Daemon) -> None:
    """End a keeper; it ends by itself soon after its VM."""
    daemon.stop(keeper, grace=_GRACE)


def log_file(pods: Pods, pod: str, container: str, stream: str) -> Path:
    """Give where the output of a container (by name) is kept; ``stream`` as in STREAMS."""
    return pods.logs(pod) / f"{container}.{stream.lower()}"


async def keep(pods: Pods, pod: Pod) -> Pod:
    """Keep the output of all containers until they end; gives the pod as it ended."""
    pods.logs(pod.id).mkdir(mode=0o700, exist_ok=True)
    async with await Agent.connect(Path(pod.agent)) as agent:
        ends = await asyncio.gather(
            *(_see_out(agent, pods, pod, c) for c in pod.containers), return_exceptions=True
        )
    containers = []
    for end in ends:
        if isinstance(end, BaseException):
            return msgspec.structs.replace(pod, state=PodState.LOST, message=f"the VM ended: {end}")
        containers.append(end)
    return msgspec.structs.replace(pod, state=PodState.EXITED, containers=tuple(containers))


async def _see_out(agent: Agent, pods: Pods, pod: Pod, container: Container) -> Container:
    logs = [log_file(pods, pod.id, container.name, stream) for stream in STREAMS]
    copies = zip(STREAMS, logs, strict=True)
    code, *notes = await asyncio.gather(
        agent.wait_process(container.id),
        *(_copy(agent, container.id, stream, file) for stream, file in copies),
    )
    why = next((note for note in notes if note), "")
    return msgspec.structs.replace(container, exit_code=code, output=str(why))


async def _copy(agent: Agent, container: str, stream: str, file: Path) -> str:
    """Copy one stream to its file; gives why not, when the guest's policy says no."""
    try:
        with file.open("wb", buffering=0) as kept:
            while data := await agent.read(stream, container):
                _append(kept, data)
    except VerificationError as error:
        refused = file.with_suffix(f"{file.suffix}.refused")
        files.replace(refused, msgspec.json.encode(error.refusal))
        return str(error)
    return ""


def _append(kept: BinaryIO, data: bytes) -> None:
    room = LARGEST_LOG - kept.tell()
    if room > 0:
        kept.write(data[:room])
