"""What the vault lets containers use: sockets of attestation agent and data hub, and REST.

No image is pulled with them, so they open with the first container, while that is made: most of
what they import, protobuf above all, nobody has to wait for then.
"""

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from casemate.guest.attestation import serve as attestation
from casemate.guest.attestation.agent import AttestationAgent

if TYPE_CHECKING:
    from casemate.guest.hub.serve import Hub
    from casemate.net.ttrpc import Services


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where they listen; upstream's places, and tests have others."""

    agent: Path = Path("/run/confidential-containers/attestation-agent/attestation-agent.sock")
    hub: Path = Path("/run/confidential-containers/cdh.sock")
    rest: int = 8006
    """TCP port of the loopback."""


class ContainerSockets:
    """Opened once, whoever asks and however often."""

    def __init__(
        self,
        agent: AttestationAgent,
        hub: "Hub",
        places: Places = Places(),  # noqa: B008  # frozen
    ) -> None:
        self._places = places
        self._agent = agent
        self._hub = hub
        self._opening = asyncio.Lock()
        self._open = False

    async def open(self) -> None:
        """Listen; returns once containers can connect.

        Raises:
            HostError: a path or the port is taken.
        """
        async with self._opening:
            if not self._open:
                await self._listen()
                self._open = True

    async def _listen(self) -> None:
        gc.disable()  # as while the rest was imported: nothing of it is garbage
        from casemate.guest.rest import serve as rest
        from casemate.guest.rest.api import Features

        await _listen(self._places.agent, attestation.services(self._agent))
        await _listen(self._places.hub, self._hub.services())
        port = self._places.rest
        await rest.serve(self._agent, self._hub.resources, Features.ALL, port=port)
        gc.freeze()
        gc.enable()


async def _listen(path: Path, services: "Services") -> None:
    from casemate.net.ttrpc import Server

    await Server(services).serve_unix(path)
