"""The remote-hypervisor service as the runtime uses it (runtime.md §4)."""

from pathlib import Path
from typing import Final

from google.protobuf.message import Message

from casemate.errors import HostError, PeerError
from casemate.net.ttrpc import Client
from casemate.wire import hypervisor
from casemate.wire.hypervisor import VmWishes
from casemate.wire.pb import hypervisor_pb2

_CREATE: Final = 60.0
_START: Final = 600.0
_STOP: Final = 60.0
"""Seconds."""


class Hypervisor:
    """The adaptor at a socket; every call makes its own connection, as kata's runtime does."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def create(self, sandbox: str, wishes: VmWishes) -> Path:
        """Announce a VM; gives the socket at which its agent will be reached.

        Raises:
            PeerError: the adaptor refuses the wishes.
            HostError: no adaptor serves the socket.
        """
        request = hypervisor_pb2.CreateVMRequest(id=sandbox, annotations=hypervisor.encode(wishes))
        answer = hypervisor_pb2.CreateVMResponse()
        answer.ParseFromString(await self._call("CreateVM", request, _CREATE))
        if not answer.agentSocketPath:
            raise PeerError("CreateVM", got="no agent socket", want="a path")
        return Path(answer.agentSocketPath)

    async def start(self, sandbox: str) -> None:
        """Make the VM; returns when its agent can be reached.

        Raises:
            VerificationError: the guest refused to go on, and why.
            PeerError: the VM could not be made or reached.
        """
        await self._call("StartVM", hypervisor_pb2.StartVMRequest(id=sandbox), _START)

    async def stop(self, sandbox: str) -> None:
        """End the VM; one that is gone is no error."""
        await self._call("StopVM", hypervisor_pb2.StopVMRequest(id=sandbox), _STOP)

    async def _call(self, method: str, request: Message, seconds: float) -> bytes:
        try:
            client = await Client.connect_unix(self._socket)
        except PeerError as error:
            raise HostError(
                str(self._socket),
                got="nobody listening",
                want="the adaptor",
                remedy="Start the local stack: casemate up",
            ) from error
        async with client:
            payload = request.SerializeToString()
            return await client.call(hypervisor.SERVICE, method, payload, timeout=seconds)
