"""One more process in a container: asked of the agent, whose policy decides."""

import asyncio
import secrets
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import InputError
from casemate.runtime import specification
from casemate.runtime.agent import Agent
from casemate.runtime.record import Container, Pod

LARGEST_OUTPUT: Final = 16 << 20
"""Bytes that are taken of one stream; the rest is read and dropped."""


class Executed(msgspec.Struct, frozen=True):
    """How a process ended. ``status`` is its exit code, 128 + number for a signal."""

    status: int
    stdout: bytes
    stderr: bytes


async def execute(pod: Pod, container: Container, arguments: tuple[str, ...]) -> Executed:
    """Run a program in a container to its end, without input.

    Raises:
        VerificationError: the pod's policy forbids it, and says which rule.
        InputError: the pod does not run.
        PeerError: the VM is gone.
    """
    if not pod.agent:
        raise InputError("pod", got=pod.state.value, want="a running pod")
    identity = secrets.token_hex(8)
    async with await Agent.connect(Path(pod.agent)) as agent:
        await agent.exec_process(
            specification.exec_process(
                container=container.id, identity=identity, arguments=arguments
            )
        )
        await agent.close_stdin(container.id, identity)
        stdout, stderr = await asyncio.gather(
            drain(agent, "Stdout", container.id, identity),
            drain(agent, "Stderr", container.id, identity),
        )
        return Executed(await agent.wait_process(container.id, identity), stdout, stderr)


async def drain(agent: Agent, stream: str, container: str, process: str) -> bytes:
    """Read a process's ``Stdout`` or ``Stderr`` to its end; at most 16 MiB are kept."""
    taken = bytearray()
    while data := await agent.read(stream, container, process):
        taken += data[: LARGEST_OUTPUT - len(taken)]
    return bytes(taken)
