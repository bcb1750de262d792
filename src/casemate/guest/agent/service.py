"""grpc.AgentService and grpc.Health: requests read, put to the policy, done (runtime.md §5)."""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from google.protobuf.message import Message

from casemate import __version__
from casemate.errors import InputError
from casemate.guest import messages
from casemate.guest.agent import bundle, copy_file, statistics, storages, termination_log
from casemate.guest.agent.policy import AgentPolicy
from casemate.guest.agent.sandbox import Sandbox
from casemate.net.ttrpc import Method, Services
from casemate.wire.pb import agent_pb2, health_pb2

SERVICE: Final = "grpc.AgentService"
HEALTH: Final = "grpc.Health"

_GRPC_VERSION: Final = "0.0.1"
_LARGEST_READ: Final = 1 << 20
_TERMINATION_LOG: Final = "/dev/termination-log"

_EMPTY: Final = agent_pb2.Empty()

Load: TypeAlias = Callable[[], Awaitable[AgentPolicy]]


class Rpc(msgspec.Struct, frozen=True):
    """One row of the table: the request's type, and what is done once the policy permits it."""

    request: type[Message]
    run: Callable[..., Awaitable[Message]]


class Agent:
    """Every method of the service. ``policy`` is awaited by the first call that needs it."""

    def __init__(
        self, sandbox: Sandbox, policy: Load, *, processes: Sequence[int | str] = ("self",)
    ) -> None:
        """``processes`` are those of the guest, whose memory GetMetrics tells."""
        self._sandbox = sandbox
        self._load = policy
        self._processes = processes
        self._policy: AgentPolicy | None = None

    def services(self) -> Services:
        """What to serve on the agent's socket."""
        table = {name: self._method(rpc) for name, rpc in self._table().items()}
        return {SERVICE: table, HEALTH: {"Check": _check, "Version": _version}}

    def _method(self, rpc: Rpc) -> Method:
        async def method(payload: bytes) -> bytes:
            request = messages.parse(rpc.request, payload)
            (await self._current()).permit(request)
            answer: bytes = (await rpc.run(request)).SerializeToString()
            return answer

        return method

    async def _current(self) -> AgentPolicy:
        if self._policy is None:
            self._policy = await self._load()
        return self._policy

    def _table(self) -> dict[str, Rpc]:
        return {
            "CreateSandbox": Rpc(agent_pb2.CreateSandboxRequest, self._create_sandbox),
            "DestroySandbox": Rpc(agent_pb2.DestroySandboxRequest, self._destroy_sandbox),
            "CreateContainer": Rpc(agent_pb2.CreateContainerRequest, self._create_container),
            "StartContainer": Rpc(agent_pb2.StartContainerRequest, self._start_container),
            "RemoveContainer": Rpc(agent_pb2.RemoveContainerRequest, self._remove_container),
            "ExecProcess": Rpc(agent_pb2.ExecProcessRequest, self._exec_process),
            "SignalProcess": Rpc(agent_pb2.SignalProcessRequest, self._signal_process),
            "WaitProcess": Rpc(agent_pb2.WaitProcessRequest, self._wait_process),
            "UpdateContainer": Rpc(agent_pb2.UpdateContainerRequest, self._update_container),
            "StatsContainer": Rpc(agent_pb2.StatsContainerRequest, self._stats_container),
            "PauseContainer": Rpc(agent_pb2.PauseContainerRequest, self._pause_container),
            "ResumeContainer": Rpc(agent_pb2.ResumeContainerRequest, self._resume_container),
            "RemoveStaleVirtiofsShareMounts": Rpc(
                agent_pb2.RemoveStaleVirtiofsShareMountsRequest, _nothing
            ),
            "WriteStdin": Rpc(agent_pb2.WriteStreamRequest, self._write_stdin),
            "ReadStdout": Rpc(agent_pb2.ReadStreamRequest, self._read_stdout),
            "ReadStderr": Rpc(agent_pb2.ReadStreamRequest, self._read_stderr),
            "CloseStdin": Rpc(agent_pb2.CloseStdinRequest, self._close_stdin),
            "TtyWinResize": Rpc(agent_pb2.TtyWinResizeRequest, self._resize),
            "GetMetrics": Rpc(agent_pb2.GetMetricsRequest, self._metrics),
            "OnlineCPUMem": Rpc(agent_pb2.OnlineCPUMemRequest, _nothing),
            "ReseedRandomDev": Rpc(agent_pb2.ReseedRandomDevRequest, _reseed),
            "GetGuestDetails": Rpc(agent_pb2.GuestDetailsRequest, _details),
            "SetGuestDateTime": Rpc(agent_pb2.SetGuestDateTimeRequest, _set_clock),
            "CopyFile": Rpc(agent_pb2.CopyFileRequest, _copy_file),
            "GetOOMEvent": Rpc(agent_pb2.GetOOMEventRequest, self._oom_event),
            "SetPolicy": Rpc(agent_pb2.SetPolicyRequest, self._set_policy),
            "GetDiagnosticData": Rpc(agent_pb2.GetDiagnosticDataRequest, self._diagnostics),
        }

    async def _create_sandbox(self, request: agent_pb2.CreateSandboxRequest) -> Message:
        await self._sandbox.create(request)
        return _EMPTY

    async def _destroy_sandbox(self, _: agent_pb2.DestroySandboxRequest) -> Message:
        await self._sandbox.destroy()
        return _EMPTY

    async def _create_container(self, request: agent_pb2.CreateContainerRequest) -> Message:
        await self._sandbox.create_container(request)
        return _EMPTY

    async def _start_container(self, request: agent_pb2.StartContainerRequest) -> Message:
        if self._sandbox.pause(request.container_id) is None:
            await self._sandbox.start(request.container_id)
        return _EMPTY

    async def _remove_container(self, request: agent_pb2.RemoveContainerRequest) -> Message:
        await self._sandbox.remove_container(request.container_id, request.timeout)
        return _EMPTY

    async def _exec_process(self, request: agent_pb2.ExecProcessRequest) -> Message:
        await self._sandbox.execute(request)
        return _EMPTY

    async def _signal_process(self, request: agent_pb2.SignalProcessRequest) -> Message:
        pause = self._sandbox.pause(request.container_id)
        if pause is not None:
            pause.signal(request.signal)
        else:
            container = self._sandbox.container(request.container_id)
            await container.signal(request.exec_id, request.signal)
        return _EMPTY

    async def _wait_process(self, request: agent_pb2.WaitProcessRequest) -> Message:
        pause = self._sandbox.pause(request.container_id)
        if pause is not None:
            return agent_pb2.WaitProcessResponse(status=await pause.wait())
        process = self._sandbox.container(request.container_id).process(request.exec_id)
        return agent_pb2.WaitProcessResponse(status=await process.wait())

    async def _update_container(self, request: agent_pb2.UpdateContainerRequest) -> Message:
        container = self._sandbox.container(request.container_id)
        await container.update(bundle.compose_resources(request.resources))
        return _EMPTY

    async def _stats_container(self, request: agent_pb2.StatsContainerRequest) -> Message:
        if self._sandbox.pause(request.container_id) is not None:
            return agent_pb2.StatsContainerResponse(network_stats=statistics.network())
        return agent_pb2.StatsContainerResponse(
            cgroup_stats=statistics.container(self._sandbox.usage(request.container_id)),
            network_stats=statistics.network(),
        )

    async def _pause_container(self, request: agent_pb2.PauseContainerRequest) -> Message:
        await self._sandbox.container(request.container_id).pause()
        return _EMPTY

    async def _resume_container(self, request: agent_pb2.ResumeContainerRequest) -> Message:
        await self._sandbox.container(request.container_id).resume()
        return _EMPTY

    async def _write_stdin(self, request: agent_pb2.WriteStreamRequest) -> Message:
        process = self._sandbox.container(request.container_id).process(request.exec_id)
        if not request.data:
            process.stdin.close()
            return agent_pb2.WriteStreamResponse(len=0)
        return agent_pb2.WriteStreamResponse(len=await process.stdin.write(request.data))

    async def _read_stdout(self, request: agent_pb2.ReadStreamRequest) -> Message:
        return await self._read(request, stderr=False)

    async def _read_stderr(self, request: agent_pb2.ReadStreamRequest) -> Message:
        return await self._read(request, stderr=True)

    async def _read(self, request: agent_pb2.ReadStreamRequest, *, stderr: bool) -> Message:
        pause = self._sandbox.pause(request.container_id)
        if pause is not None:
            await pause.wait()
            return agent_pb2.ReadStreamResponse()
        process = self._sandbox.container(request.container_id).process(request.exec_id)
        stream = process.stderr if stderr else process.stdout
        if stream is None:
            return agent_pb2.ReadStreamResponse()
        limit = min(request.len, _LARGEST_READ)
        return agent_pb2.ReadStreamResponse(data=await stream.read(limit))

    async def _close_stdin(self, request: agent_pb2.CloseStdinRequest) -> Message:
        self._sandbox.container(request.container_id).process(request.exec_id).stdin.close()
        return _EMPTY

    async def _resize(self, request: agent_pb2.TtyWinResizeRequest) -> Message:
        process = self._sandbox.container(request.container_id).process(request.exec_id)
        process.resize(rows=request.row, columns=request.column)
        return _EMPTY

    async def _oom_event(self, _: agent_pb2.GetOOMEventRequest) -> Message:
        return agent_pb2.OOMEvent(container_id=await self._sandbox.oom.get())

    async def _metrics(self, _: agent_pb2.GetMetricsRequest) -> Message:
        return agent_pb2.Metrics(metrics=statistics.own(self._processes))

    async def _set_policy(self, request: agent_pb2.SetPolicyRequest) -> Message:
        self._policy = AgentPolicy(request.policy, name="SetPolicy")
        return _EMPTY

    async def _diagnostics(self, request: agent_pb2.GetDiagnosticDataRequest) -> Message:
        if request.log_type != "termination_log":
            raise InputError("GetDiagnosticData", got=request.log_type, want="termination_log")
        log = self._sandbox.container(request.container_id).source_of(_TERMINATION_LOG)
        data = b"" if log is None else termination_log.tail(log)
        return agent_pb2.GetDiagnosticDataResponse(data=data)


async def _check(_: bytes) -> bytes:
    answer = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    return answer.SerializeToString()


async def _version(_: bytes) -> bytes:
    answer = health_pb2.VersionCheckResponse(grpc_version=_GRPC_VERSION, agent_version=__version__)
    return answer.SerializeToString()


async def _nothing(_: Message) -> Message:
    """What a pod VM has no need to do, and upstream's callers expect to succeed."""
    return _EMPTY


async def _reseed(request: agent_pb2.ReseedRandomDevRequest) -> Message:
    """Mix the host's bytes into the pool; they count as no entropy."""
    _mix(request.data)
    return _EMPTY


async def _set_clock(request: agent_pb2.SetGuestDateTimeRequest) -> Message:
    time.clock_settime(time.CLOCK_REALTIME, request.Sec + request.Usec / 1e6)
    return _EMPTY


async def _copy_file(request: agent_pb2.CopyFileRequest) -> Message:
    copy_file.copy(request)
    return _EMPTY


async def _details(_: agent_pb2.GuestDetailsRequest) -> Message:
    return agent_pb2.GuestDetailsResponse(
        agent_details=agent_pb2.AgentDetails(
            version=__version__,
            init_daemon=os.getpid() == 1,
            storage_handlers=storages.HANDLERS,
            supports_seccomp=True,
        )
    )


def _mix(data: bytes) -> None:
    Path("/dev/urandom").write_bytes(data)
