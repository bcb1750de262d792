"""A cloud whose VMs are a forwarder and an agent in this process: the real wire, no machine.

Change it as an attacker or a bad day would: ``refuse_boot``, ``refuse_pull``, ``deny_exec``,
``deny_output``, ``die_at_boot``; ``kill`` pulls a VM's plug.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import Message

from casemate.errors import CasemateError, PeerError, Refusal, VerificationError
from casemate.net import tls
from casemate.net.forward import TlsForwarder, connect_unix
from casemate.net.ttrpc import Server, Services
from casemate.peerpods.provider import Instance, InstanceSpec
from casemate.trace import Station
from casemate.wire import console, console_log, forwarder, userdata
from casemate.wire.console import ConsoleEvent, EventKind
from casemate.wire.pb import agent_pb2, health_pb2

REFUSAL = Refusal(
    step="attest", claim="pcr11", got="aa", expected="bb", rule="tpm.6", remedy="Build it again."
)


@dataclass
class SimulatedAgent:
    """Containers that print their arguments and end with ``exit_code`` when told to."""

    refuse_pull: bool = False
    deny_exec: bool = False
    deny_output: bool = False
    exit_code: int = 0
    created: list[agent_pb2.CreateContainerRequest] = field(default_factory=list)
    sandboxes: list[str] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _output: dict[str, list[bytes]] = field(default_factory=dict)

    def services(self) -> Services:
        return {
            "grpc.Health": {"Check": self._check},
            "grpc.AgentService": {
                "CreateSandbox": self._create_sandbox,
                "CreateContainer": self._create_container,
                "StartContainer": self._start_container,
                "ExecProcess": self._exec_process,
                "WaitProcess": self._wait_process,
                "ReadStdout": self._read_stdout,
                "ReadStderr": self._read_stderr,
                "CloseStdin": self._nothing,
                "GetMetrics": self._get_metrics,
            },
        }

    async def _check(self, payload: bytes) -> bytes:
        del payload
        return _bytes(health_pb2.HealthCheckResponse(status="SERVING"))

    async def _nothing(self, payload: bytes) -> bytes:
        del payload
        return b""

    async def _create_sandbox(self, payload: bytes) -> bytes:
        self.sandboxes.append(agent_pb2.CreateSandboxRequest.FromString(payload).sandbox_id)
        return b""

    async def _create_container(self, payload: bytes) -> bytes:
        if self.refuse_pull:
            raise VerificationError(REFUSAL)
        request = agent_pb2.CreateContainerRequest.FromString(payload)
        self.created.append(request)
        words = " ".join(request.OCI.Process.Args) or "hello from the image"
        self._output[request.container_id] = [f"{words}\n".encode()]
        return b""

    async def _start_container(self, payload: bytes) -> bytes:
        del payload
        return b""

    async def _exec_process(self, payload: bytes) -> bytes:
        request = agent_pb2.ExecProcessRequest.FromString(payload)
        if self.deny_exec:
            raise VerificationError(REFUSAL)
        self._output[request.exec_id] = [" ".join(request.process.Args).encode()]
        return b""

    async def _wait_process(self, payload: bytes) -> bytes:
        request = agent_pb2.WaitProcessRequest.FromString(payload)
        if request.exec_id:
            return _bytes(agent_pb2.WaitProcessResponse(status=7))
        await self.ended.wait()
        return _bytes(agent_pb2.WaitProcessResponse(status=self.exit_code))

    async def _read_stdout(self, payload: bytes) -> bytes:
        if self.deny_output:
            raise VerificationError(REFUSAL)
        request = agent_pb2.ReadStreamRequest.FromString(payload)
        waiting = self._output[request.exec_id or request.container_id]
        if waiting:
            return _bytes(agent_pb2.ReadStreamResponse(data=waiting.pop(0)))
        return b"" if request.exec_id else await self._at_the_end(payload)

    async def _read_stderr(self, payload: bytes) -> bytes:
        request = agent_pb2.ReadStreamRequest.FromString(payload)
        return b"" if request.exec_id else await self._at_the_end(payload)

    async def _at_the_end(self, payload: bytes) -> bytes:
        del payload
        await self.ended.wait()
        return _bytes(agent_pb2.ReadStreamResponse())

    async def _get_metrics(self, payload: bytes) -> bytes:
        del payload
        text = (
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 41943040\n"
        )
        return _bytes(agent_pb2.Metrics(metrics=text))


class SimulatedCloud:
    """A provider (``peerpods.provider.Provider``). ``folder`` is the pods' folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agents: dict[str, SimulatedAgent] = {}
        self.user_data: dict[str, Mapping[str, bytes]] = {}
        self.specs: dict[str, InstanceSpec] = {}
        self.deleted: list[str] = []
        self.refuse_boot = False
        self.die_at_boot = False
        self.prepare: Callable[[SimulatedAgent], None] = lambda _agent: None
        self.asked = asyncio.Event()
        self._doors: dict[str, tuple[TlsForwarder, Server]] = {}
        self._failures: dict[str, asyncio.Future[CasemateError]] = {}

    async def create_instance(
        self, *, name: str, sandbox: str, user_data: Mapping[str, bytes], spec: InstanceSpec
    ) -> Instance:
        disk = userdata.encode(user_data)
        self.user_data[sandbox] = user_data
        self.specs[sandbox] = spec
        failure = self._failures[sandbox] = asyncio.get_running_loop().create_future()
        self._tell(sandbox, EventKind.BEGIN, Station.BOOT)
        if self.refuse_boot:
            failure.set_result(VerificationError(REFUSAL))
        if self.die_at_boot:
            failure.set_result(PeerError("pod VM", got="it ended", want="a running VM"))
        self.asked.set()
        await asyncio.sleep(0)  # a caller that leaves does so here
        port = 1
        if not failure.done():
            port = await self._boot(sandbox, userdata.parse(disk)[userdata.APF])
        return Instance(id=sandbox, name=name, host="127.0.0.1", port=port)

    async def announced(self, instance: str) -> None:
        if self._failures[instance].done():
            await asyncio.Event().wait()

    async def failure(self, instance: str) -> CasemateError:
        return await asyncio.shield(self._failures[instance])

    async def delete_instance(self, instance: str) -> None:
        self.deleted.append(instance)
        await self.kill(instance)

    async def teardown(self) -> None:
        for instance in list(self._doors):
            await self.delete_instance(instance)

    async def kill(self, instance: str) -> None:
        """Pull the plug: every connection breaks."""
        if (doors := self._doors.pop(instance, None)) is not None:
            for door in doors:
                await door.close()

    async def _boot(self, sandbox: str, apf: bytes) -> int:
        agent = self.agents[sandbox] = SimulatedAgent()
        self.prepare(agent)
        socket = self.folder / sandbox / "guest-agent.sock"
        config = forwarder.parse(apf)
        context = tls.server_context(
            config.server_certificate, config.server_key, client_ca_pem=config.client_ca
        )
        server = Server(agent.services())
        door = TlsForwarder(context, lambda: connect_unix(socket))
        self._doors[sandbox] = (door, server)
        try:
            await server.serve_unix(socket)
            port = await door.listen("127.0.0.1", 0)
        except BaseException:
            await self.kill(sandbox)
            raise
        self._tell(sandbox, EventKind.END, Station.BOOT)
        self._tell(sandbox, EventKind.READY, Station.CONNECT)
        return port

    def _tell(self, sandbox: str, kind: EventKind, station: Station) -> None:
        line = console.encode(ConsoleEvent(kind=kind, station=station)).rstrip()
        with (self.folder / sandbox / console_log.NAME).open("ab") as kept:
            kept.write(console_log.encode(console_log.ConsoleLine(time.time(), line)))


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()
