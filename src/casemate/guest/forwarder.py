"""The one door into the pod VM: TLS 1.3 with both sides' certificates, onto the agent's socket.

Key, certificate and client authority come from ``apf.json``: the host hands them in, so this
channel keeps strangers out, not the host. What the host may ask is the agent policy's decision.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from casemate.net.forward import TlsForwarder, connect_unix
from casemate.net.tls import server_context
from casemate.wire.forwarder import PORT, ForwarderConfig

AGENT_SOCKET: Final = Path("/run/kata-containers/agent.sock")


async def serve(
    config: ForwarderConfig,
    *,
    agent: Path = AGENT_SOCKET,
    host: str = "0.0.0.0",  # noqa: S104  # the VM's one card, and mutual TLS on it
    port: int = PORT,
    on_connection: Callable[[], None] | None = None,
) -> TlsForwarder:
    """Listen for the adaptor; every connection is joined to the agent's socket.

    Raises:
        InputError: key, certificate or authority of ``config`` cannot be used.
        HostError: the port is taken.
    """
    context = server_context(
        config.server_certificate, config.server_key, client_ca_pem=config.client_ca
    )
    forwarder = TlsForwarder(context, lambda: connect_unix(agent), on_connection=on_connection)
    await forwarder.listen(host, port)
    return forwarder
