"""The vault: the process that attests and keeps what the pod is given for it.

Attestation agent, data hub and REST server, apart from the agent that talks to the host: the keys
of images and the secrets of containers are never in that process's memory. The agent asks over a
socket pair that only the two of them have.
"""

import asyncio
import gc
import logging
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from casemate.errors import CasemateError
from casemate.guest import loop
from casemate.guest.attestation import serve as attestation
from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.console import Console
from casemate.guest.hub import settings
from casemate.guest.hub.settings import HubSettings
from casemate.guest.reporting import Stations
from casemate.net.unix import Channel
from casemate.tee.attesters import Attester
from casemate.wire.initdata import Initdata

if TYPE_CHECKING:
    from casemate.guest.hub.serve import Hub
    from casemate.net.ttrpc import Services

_log = logging.getLogger(__name__)

_REST: Final = (
    "casemate.crypto.jwe",
    "casemate.net.ttrpc",
    "casemate.oci.encryption.packet",
    "casemate.guest.hub.image_settings",
    "casemate.oci.pull",
    "casemate.guest.hub.serve",
    "casemate.guest.rest.serve",
)
"""What only answers need, in pieces of which none is long."""


async def serve(
    given: Initdata | None, attester: Attester, console: Console, channel: Channel
) -> None:
    """Serve until the agent at the other end of ``channel`` is gone.

    The agent is answered once everything listens that a container may use. What only answers need
    is imported while the attestation waits for the network and for its verifier.

    Raises:
        CasemateError: the pod's configuration cannot be used.
    """
    loop.prepare()
    stations = Stations(console.report)
    agent = attestation.build(attester, given, stations)
    wanted = settings.of(given)
    async with asyncio.TaskGroup() as tasks:
        attested = tasks.create_task(_attest(agent, wanted))
        await _import_the_rest()
        from casemate.guest.hub import serve as hub
        from casemate.guest.rest import serve as rest
        from casemate.guest.rest.api import Features
        from casemate.net.ttrpc import Server

        keeper = hub.build(agent, wanted, stations)
        preparing = tasks.create_task(_prepare(attested, keeper))
        await _listen(attestation.SOCKET, attestation.services(agent))
        await _listen(hub.SOCKET, keeper.services)
        await rest.serve(agent, keeper.resources, Features.ALL)
        answering = tasks.create_task(Server(keeper.services_of_agent).serve_channel(channel))
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


async def _prepare(attested: asyncio.Task[bool], keeper: "Hub") -> None:
    if await attested:
        await keeper.prepare()


async def _import_the_rest() -> None:
    for module in _REST:
        await asyncio.sleep(0)  # the attestation goes first whenever something came for it
        import_module(module)


async def _listen(path: Path, services: "Services") -> None:
    from casemate.net.ttrpc import Server

    await Server(services).serve_unix(path)
