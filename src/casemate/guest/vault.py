"""The vault: the process that attests and keeps what the pod is given for it.

Attestation agent, data hub and REST server, apart from the agent that talks to the host: the keys
of images and the secrets of containers are never in that process's memory. The agent asks over a
socket pair that only the two of them have.
"""

import asyncio
import gc
from pathlib import Path

from casemate.guest import loop
from casemate.guest.attestation import serve as attestation
from casemate.guest.console import Console
from casemate.guest.hub import serve as hub
from casemate.guest.reporting import Stations
from casemate.guest.rest import serve as rest
from casemate.guest.rest.api import Features
from casemate.net.ttrpc import Server, Services
from casemate.net.unix import Channel
from casemate.tee.attesters import Attester
from casemate.wire.initdata import Initdata


async def serve(
    given: Initdata | None, attester: Attester, console: Console, channel: Channel
) -> None:
    """Serve until the agent at the other end of ``channel`` is gone.

    The agent is answered once everything listens that a container may use.

    Raises:
        CasemateError: the pod's configuration cannot be used.
    """
    loop.prepare()
    stations = Stations(console.report)
    agent = attestation.build(attester, given, stations)
    keeper = hub.build(agent, given, stations)
    async with asyncio.TaskGroup() as tasks:
        preparing = tasks.create_task(keeper.prepare())
        await _listen(attestation.SOCKET, attestation.services(agent))
        await _listen(hub.SOCKET, keeper.services)
        await rest.serve(agent, keeper.resources, Features.ALL)
        answering = tasks.create_task(Server(keeper.services_of_agent).serve_channel(channel))
        await preparing
        gc.freeze()  # what is loaded now stays for good
        gc.enable()
        await answering


async def _listen(path: Path, services: Services) -> None:
    await Server(services).serve_unix(path)
