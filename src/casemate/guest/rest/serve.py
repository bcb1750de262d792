"""Composition of the REST server, for the vault."""

from typing import Final

from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.hub.resources import Resources
from casemate.guest.rest.api import Features, RestApi
from casemate.net.http_server import Server

HOST: Final = "127.0.0.1"


async def serve(
    agent: AttestationAgent,
    resources: Resources,
    features: Features,
    *,
    host: str = HOST,
    port: int,
) -> Server:
    """Begin to serve; returns once containers can connect.

    Raises:
        HostError: the port is taken.
    """
    server = Server(RestApi(agent, resources, features).answer)
    await server.listen(host, port)
    return server
