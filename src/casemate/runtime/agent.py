"""The agent's API as the runtime uses it: one connection, typed calls (runtime.md §5)."""

from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from google.protobuf.message import DecodeError, Message

from casemate.errors import PeerError
from casemate.net.ttrpc import Client
from casemate.wire.pb import agent_pb2, health_pb2

SERVICE: Final = "grpc.AgentService"
HEALTH: Final = "grpc.Health"

_START_UP: Final = 300.0
"""Seconds for calls while a remote VM starts (runtime.md §4)."""
_PULL: Final = 1200.0
"""Seconds for CreateContainer: the guest pulls and decrypts the image in it (§14)."""
_CALL: Final = 60.0
_CHECK: Final = 30.0
_CHUNK: Final = 32 << 10

_M = TypeVar("_M", bound=Message)


class Agent:
    """A guest's agent.

    Any call may raise VerificationError (the guest's policy said no, and why), TtrpcError (another
    status) or PeerError (connection lost).
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect to the socket that CreateVM named.

        Raises:
            PeerError: nobody listens there: the VM is gone.
        """
        return cls(await Client.connect_unix(path))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def check(self) -> None:
        """Ask whether the agent serves.

        Raises:
            PeerError: it says that it does not.
        """
        payload = health_pb2.CheckRequest().SerializeToString()
        answer = await self._client.call(HEALTH, "Check", payload, timeout=_CHECK)
        status = _parse(health_pb2.HealthCheckResponse(), answer).status
        if status != health_pb2.HealthCheckResponse.SERVING:
            raise PeerError("agent", got=f"health status {status}", want="SERVING (1)")

    async def create_sandbox(self, sandbox: str, hostname: str) -> None:
        """Prepare the guest for its one pod."""
        request = agent_pb2.CreateSandboxRequest(sandbox_id=sandbox, hostname=hostname)
        await self._call("CreateSandbox", request, _START_UP)

    async def destroy_sandbox(self) -> None:
        """End all containers; the guest powers off."""
        await self._call("DestroySandbox", agent_pb2.DestroySandboxRequest(), _CALL)

    async def create_container(self, request: agent_pb2.CreateContainerRequest) -> None:
        """Pull the image in the guest and create the container, not yet running."""
        await self._call("CreateContainer", request, _PULL)

    async def start_container(self, container: str) -> None:
        await self._call("StartContainer", agent_pb2.StartContainerRequest(container_id=container))

    async def remove_container(self, container: str) -> None:
        """End a container, if it still runs, and forget it."""
        request = agent_pb2.RemoveContainerRequest(container_id=container)
        await self._call("RemoveContainer", request)

    async def exec_process(self, request: agent_pb2.ExecProcessRequest) -> None:
        await self._call("ExecProcess", request)

    async def wait_process(self, container: str, process: str = "") -> int:
        """Wait for the end; gives the exit code, 128 + number for a signal."""
        request = agent_pb2.WaitProcessRequest(container_id=container, exec_id=process)
        answer = await self._call("WaitProcess", request, 0)
        return _parse(agent_pb2.WaitProcessResponse(), answer).status

    async def read(self, stream: str, container: str, process: str = "") -> bytes:
        """Read from ``Stdout`` or ``Stderr``, at most 32 KiB; empty at the end."""
        request = agent_pb2.ReadStreamRequest(container_id=container, exec_id=process, len=_CHUNK)
        answer = await self._call(f"Read{stream}", request, 0)
        return _parse(agent_pb2.ReadStreamResponse(), answer).data

    async def write_stdin(self, container: str, process: str, data: bytes) -> None:
        """Write to a process; empty data closes its input."""
        request = agent_pb2.WriteStreamRequest(container_id=container, exec_id=process, data=data)
        await self._call("WriteStdin", request)

    async def close_stdin(self, container: str, process: str) -> None:
        request = agent_pb2.CloseStdinRequest(container_id=container, exec_id=process)
        await self._call("CloseStdin", request)

    async def metrics(self) -> str:
        """Prometheus text of the guest: memory, processes."""
        answer = await self._call("GetMetrics", agent_pb2.GetMetricsRequest())
        return _parse(agent_pb2.Metrics(), answer).metrics

    async def _call(self, method: str, request: Message, seconds: float = _CALL) -> bytes:
        payload = request.SerializeToString()
        return await self._client.call(SERVICE, method, payload, timeout=seconds)


def _parse(message: _M, payload: bytes) -> _M:
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        name = message.DESCRIPTOR.name
        raise PeerError(f"agent: {name}", got=f"{len(payload)} bytes", want="it") from error
    return message
