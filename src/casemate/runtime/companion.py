"""One more container in a running pod: started beside the others, read to its end, removed."""

import asyncio
import secrets
from pathlib import Path
from typing import Final

from casemate.errors import InputError
from casemate.runtime import specification
from casemate.runtime.agent import Agent
from casemate.runtime.execution import Executed, drain
from casemate.runtime.record import Pod
from casemate.runtime.request import ContainerRequest, PodRequest

_NAME: Final = "companion"
_ID: Final = 32  # bytes of a container's id


async def run(pod: Pod, image: str, arguments: tuple[str, ...] = ()) -> Executed:
    """Have the guest pull and run ``image`` in the pod's VM; gives how it ended.

    Raises:
        VerificationError: the guest refuses the image or the container, and says why.
        InputError: the pod does not run.
        PeerError: the VM is gone.
    """
    if not pod.agent:
        raise InputError("pod", got=pod.state.value, want="a running pod")
    identity = secrets.token_hex(_ID)
    container = ContainerRequest(name=_NAME, image=image, arguments=arguments)
    request = PodRequest(name=pod.name, namespace=pod.namespace, containers=(container,))
    async with await Agent.connect(Path(pod.agent)) as agent:
        await agent.create_container(
            specification.create_container(request, container, sandbox=pod.id, identity=identity)
        )
        try:
            await agent.start_container(identity)
            return await _finish(agent, identity)
        finally:
            await agent.remove_container(identity)


async def _finish(agent: Agent, identity: str) -> Executed:
    stdout, stderr = await asyncio.gather(
        drain(agent, "Stdout", identity, identity), drain(agent, "Stderr", identity, identity)
    )
    return Executed(await agent.wait_process(identity, identity), stdout, stderr)
