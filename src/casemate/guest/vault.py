"""The vault: the process that attests and keeps what the pod is given for it.

Attestation agent, data hub and REST server, apart from the agent that talks to the host: the keys
of images and the secrets of containers are never in that process's memory. The agent asks over a
socket pair that only the two of them have.
"""

import asyncio
import gc
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Final

from casemate.errors import CasemateError
from casemate.guest import loop
from casemate.guest.attestation import serve as attestation
from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.console import Console
from casemate.guest.container_sockets import ContainerSockets
from casemate.guest.hub import settings
from casemate.guest.hub.settings import HubSettings
from casemate.guest.reporting import Stations
from casemate.net.unix import Channel
from casemate.tee.attesters import Attester
from casemate.wire.initdata import Initdata

if TYPE_CHECKING:
    from casemate.guest.hub.serve import Hub

_log = logging.getLogger(__name__)

_PULLING: Final = (
    "casemate.crypto.jwe",
    "casemate.oci.encryption.packet",
    "casemate.guest.hub.image_settings",
    "casemate.oci.pull",
    "casemate.guest.hub.serve",
    "casemate.guest.hub.agent_calls",
)
"""What only pulls need, in pieces of which none is long."""


async def serve(
    given: Initdata | None, attester: Attester, console: Console, channel: Channel
) -> None:
    """Serve until the agent at the other end of ``channel`` is gone.

    What only pulls need is imported while the attestation waits for the network and for its
    verifier; what only containers use, when the agent asks for it.

    Raises:
        CasemateError: the pod's configuration cannot be used.
    """
    loop.prepare()
    stations = Stations(console.report)
    agent = attestation.build(attester, given, stations)
    wanted = settings.of(given)
    async with asyncio.TaskGroup() as tasks:
        attested = tasks.create_task(_attest(agent, wanted))
        await _import_what_pulls_need()
        from casemate.guest.hub import serve as hubs
        from casemate.guest.hub.agent_calls import AgentCalls

        hub = hubs.build(agent, wanted, stations)
        preparing = tasks.create_task(_prepare(attested, hub))
        calls = AgentCalls(hub.pulls, ContainerSockets(agent, hub).open)
        answering = tasks.create_task(calls.serve(channel))
        await preparing
        gc.freeze()  # what is loaded now stays for good
        gc.enable()
        await answering


async def _attest(agent: AttestationAgent, wanted: HubSettings) -> bool:
    """Attest before anybody asks, where something is fetched at start; False when that failed.

    A failure is only logged (stations have reported it): whoever needs the passport meets it again.
    """
    if wanted.begins_with_attestation:
        try:
            await agent.passport()
        except CasemateError as error:
            _log.warning("not attested yet: %s", error)
            return False
    return True


async def _prepare(attested: asyncio.Task[bool], hub: "Hub") -> None:
    if await attested:
        await hub.prepare()


async def _import_what_pulls_need() -> None:
    for module in _PULLING:
        await asyncio.sleep(0)  # the attestation goes first whenever something came for it
        import_module(module)
