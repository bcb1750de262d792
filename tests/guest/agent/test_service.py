import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.message import Message

from casemate.errors import VerificationError
from casemate.guest.agent import rehearsal
from casemate.net.ttrpc import Client
from casemate.wire.pb import agent_pb2, oci_pb2
from casemate.wire.ttrpc_status import Code, TtrpcError
from tests.sim import agent

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("crun") is None, reason="needs crun"),
    pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox"),
]

ALLOW_ALL = """
package agent_policy
import future.keywords
default AllowRequestsFailingPolicy := true
default ExecProcessRequest := true
"""
BUSYBOX = ("sh", "cat", "sleep", "echo", "id", "hostname", "env", "wc", "ls", "ip", "readlink")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agent")
    image = folder / "images" / "app"
    (image / "rootfs" / "bin").mkdir(parents=True)
    (image / "rootfs" / "etc").mkdir()
    shutil.copy(shutil.which("busybox") or "", image / "rootfs" / "bin" / "busybox")
    for name in BUSYBOX:
        (image / "rootfs" / "bin" / name).symlink_to("busybox")
    (image / "rootfs" / "etc" / "passwd").write_text("app:x:1234:1234::/home/app:/bin/sh\n")
    process = {
        "args": ["sh", "-c", "echo hello; echo trouble >&2; exit 7"],
        "env": ["PATH=/bin", "FROM=image"],
        "cwd": "/",
        "user": {"username": "app"},
    }
    (image / "config.json").write_bytes(msgspec.json.encode({"process": process}))
    return folder


@pytest.fixture(scope="module")
def socket(folder: Path) -> Iterator[Path]:
    with agent.running(folder, ALLOW_ALL) as socket:
        yield socket


class Caller:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, method: str, request: Message, answer: Any = agent_pb2.Empty) -> Any:
        payload = request.SerializeToString()
        data = await self._client.call("grpc.AgentService", method, payload, timeout=20)
        return answer.FromString(data)

    async def run(self, name: str, *args: str, **spec: Any) -> oci_pb2.Spec:
        await self("CreateContainer", create(name, *args, **spec))
        await self("StartContainer", agent_pb2.StartContainerRequest(container_id=name))
        return oci_pb2.Spec()

    async def output(self, name: str, *, exec_id: str = "", stream: str = "ReadStdout") -> bytes:
        collected = b""
        request = agent_pb2.ReadStreamRequest(container_id=name, exec_id=exec_id, len=32768)
        while data := (await self(stream, request, agent_pb2.ReadStreamResponse)).data:
            collected += data
        return collected

    async def status(self, name: str, exec_id: str = "") -> int:
        request = agent_pb2.WaitProcessRequest(container_id=name, exec_id=exec_id)
        status: int = (await self("WaitProcess", request, agent_pb2.WaitProcessResponse)).status
        return status

    async def remove(self, name: str) -> None:
        await self("RemoveContainer", agent_pb2.RemoveContainerRequest(container_id=name))


def create(
    name: str, *args: str, image: str = "app", process: oci_pb2.Process | None = None, **spec: Any
) -> agent_pb2.CreateContainerRequest:
    root = FOLDER[0] / "containers" / name / "rootfs"
    made = process or oci_pb2.Process(Args=args, Cwd="/")
    return agent_pb2.CreateContainerRequest(
        container_id=name,
        exec_id=name,
        storages=[
            agent_pb2.Storage(driver="image_guest_pull", source=image, mount_point=str(root))
        ],
        OCI=oci_pb2.Spec(Version="1.0.2", Process=made, Root=oci_pb2.Root(Path=str(root)), **spec),
    )


FOLDER: list[Path] = []


@pytest.fixture
async def call(socket: Path, folder: Path) -> AsyncIterator[Caller]:
    FOLDER[:] = [folder]
    async with await Client.connect_unix(socket) as client:
        caller = Caller(client)
        with suppress(TtrpcError):  # the first test makes the one sandbox for all of them
            await caller(
                "CreateSandbox",
                agent_pb2.CreateSandboxRequest(sandbox_id="pod", hostname="demo-pod"),
            )
        yield caller


async def test_image_runs_its_own_entry_point_as_its_own_user(call: Caller) -> None:
    await call.run("own")
    assert await call.output("own") == b"hello\n"
    assert await call.output("own", stream="ReadStderr") == b"trouble\n"
    assert await call.status("own") == 7
    await call.remove("own")


async def test_container_of_nothing_is_gone_once_the_first_one_is_there(
    call: Caller, folder: Path
) -> None:
    await call.run("first", "sh", "-c", "exit 0")
    assert await call.status("first") == 0
    for _ in range(500):
        names = {
            entry.name for place in ("containers", "crun") for entry in (folder / place).iterdir()
        }
        if rehearsal.NAME not in names:
            break
        await asyncio.sleep(0.01)
    assert rehearsal.NAME not in names
    await call.remove("first")


async def test_user_environment_and_hostname_reach_the_process(call: Caller) -> None:
    process = oci_pb2.Process(
        Args=["sh", "-c", "id -u; echo $FROM $MORE $HOME; hostname"], Env=["MORE=host"], Cwd="/"
    )
    await call.run("env", process=process)
    assert await call.output("env") == b"1234\nimage host /home/app\ndemo-pod\n"
    await call.remove("env")


async def test_read_only_root_is_kept(call: Caller) -> None:
    request = create("ro", "sh", "-c", "echo x > /file && echo written")
    request.OCI.Root.Readonly = True
    await call("CreateContainer", request)
    await call("StartContainer", agent_pb2.StartContainerRequest(container_id="ro"))
    assert await call.output("ro") == b""
    assert b"Read-only" in await call.output("ro", stream="ReadStderr")
    await call.remove("ro")


async def test_containers_share_the_network_and_ipc_and_nothing_else(call: Caller) -> None:
    await call.run(
        "ns", "sh", "-c", "for n in net ipc pid mnt uts; do readlink /proc/self/ns/$n; done"
    )
    net, *others = (await call.output("ns")).decode().split()
    assert net == own("net")
    for kind, theirs in zip(("ipc", "pid", "mnt", "uts"), others, strict=True):
        assert theirs != own(kind)
    await call.remove("ns")


async def test_input_reaches_the_process_and_ends(call: Caller) -> None:
    await call.run("in", "cat")
    write = agent_pb2.WriteStreamRequest(container_id="in", data=b"typed\n")
    assert (await call("WriteStdin", write, agent_pb2.WriteStreamResponse)).len == 6
    await call("CloseStdin", agent_pb2.CloseStdinRequest(container_id="in"))
    assert await call.output("in") == b"typed\n"
    assert await call.status("in") == 0
    await call.remove("in")


async def test_signal_ends_it_and_many_may_wait(call: Caller) -> None:
    await call.run("sig", "sleep", "60")
    waits = [asyncio.ensure_future(call.status("sig")) for _ in range(5)]
    term = agent_pb2.SignalProcessRequest(container_id="sig", signal=15)
    await call("SignalProcess", term)
    assert await asyncio.gather(*waits) == [137] * 5
    with pytest.raises(TtrpcError) as caught:
        await call("SignalProcess", term)
    assert caught.value.code is Code.NOT_FOUND
    await call.remove("sig")


async def test_executed_process_has_its_own_streams_and_status(call: Caller) -> None:
    await call.run("ex", "sleep", "60")
    process = oci_pb2.Process(Args=["sh", "-c", "echo in $FROM; exit 3"], Cwd="/")
    request = agent_pb2.ExecProcessRequest(container_id="ex", exec_id="e1", process=process)
    await call("ExecProcess", request)
    assert await call.output("ex", exec_id="e1") == b"in image\n"
    assert await call.status("ex", "e1") == 3
    with pytest.raises(TtrpcError) as caught:
        await call("ExecProcess", request)
    assert caught.value.code is Code.ALREADY_EXISTS
    await call.remove("ex")


async def test_terminal_gives_one_stream_and_can_be_resized(call: Caller) -> None:
    await call.run("tty", "sleep", "60")
    process = oci_pb2.Process(Terminal=True, Args=["sh", "-c", "read x; echo got $x"], Cwd="/")
    await call(
        "ExecProcess",
        agent_pb2.ExecProcessRequest(container_id="tty", exec_id="t", process=process),
    )
    await call(
        "TtyWinResize",
        agent_pb2.TtyWinResizeRequest(container_id="tty", exec_id="t", row=40, column=120),
    )
    await call(
        "WriteStdin",
        agent_pb2.WriteStreamRequest(container_id="tty", exec_id="t", data=b"line\n"),
        agent_pb2.WriteStreamResponse,
    )
    assert b"got line" in await call.output("tty", exec_id="t")
    await call.remove("tty")


async def test_more_output_than_is_kept_arrives_whole_at_a_reader(call: Caller) -> None:
    line = "0123456789012345678901234567890123456789"
    loop = f"i=0; while [ $i -lt 20000 ]; do echo {line}; i=$((i+1)); done"
    await call.run("big", "sh", "-c", loop)
    assert len(await call.output("big")) == 20000 * 41
    await call.remove("big")


async def test_refused_image_leaves_nothing_and_keeps_its_reason(
    call: Caller, folder: Path
) -> None:
    with pytest.raises(VerificationError) as caught:
        await call("CreateContainer", create("bad", image="evil"))
    assert caught.value.refusal == agent.REFUSAL
    assert not (folder / "containers" / "bad").exists()
    await call.run("bad", "echo", "second try")
    assert await call.output("bad") == b"second try\n"
    await call.remove("bad")


async def test_program_that_is_not_there_is_an_error_and_leaves_nothing(
    call: Caller, folder: Path
) -> None:
    with pytest.raises(TtrpcError) as caught:
        await call("CreateContainer", create("gone", "/no/such/program"))
    assert "no/such/program" in str(caught.value)
    assert not (folder / "containers" / "gone").exists()


async def test_container_by_the_name_of_a_folder_that_is_there_leaves_it_alone(
    call: Caller, folder: Path
) -> None:
    scratch = folder / "containers" / "image"
    scratch.mkdir(parents=True)
    (scratch / "tree").write_text("of another container")
    with pytest.raises(TtrpcError) as caught:
        await call("CreateContainer", create("image"))
    assert caught.value.code is Code.ALREADY_EXISTS
    assert (scratch / "tree").exists()
    shutil.rmtree(scratch)


async def test_bind_mount_of_the_guests_own_files_is_refused(call: Caller) -> None:
    mount = oci_pb2.Mount(destination="/x", source="/etc", type="bind", options=["rbind"])
    with pytest.raises(TtrpcError) as caught:
        await call("CreateContainer", create("mnt", "ls", Mounts=[mount]))
    assert caught.value.code is Code.INVALID_ARGUMENT


async def test_pause_container_needs_no_image(call: Caller) -> None:
    kind = {"io.kubernetes.cri.container-type": "sandbox"}
    await call("CreateContainer", create("pause", image="pause", Annotations=kind))
    await call("StartContainer", agent_pb2.StartContainerRequest(container_id="pause"))
    waiting = asyncio.ensure_future(call.status("pause"))
    await call("SignalProcess", agent_pb2.SignalProcessRequest(container_id="pause", signal=9))
    assert await waiting == 137
    await call.remove("pause")


async def test_statistics_and_details_are_given(call: Caller) -> None:
    await call.run("st", "sleep", "60")
    request = agent_pb2.StatsContainerRequest(container_id="st")
    stats = await call("StatsContainer", request, agent_pb2.StatsContainerResponse)
    assert stats.HasField("cgroup_stats")
    details = await call(
        "GetGuestDetails", agent_pb2.GuestDetailsRequest(), agent_pb2.GuestDetailsResponse
    )
    assert "image_guest_pull" in details.agent_details.storage_handlers
    await call.remove("st")


async def test_unknown_container_is_not_found(call: Caller) -> None:
    with pytest.raises(TtrpcError) as caught:
        await call.status("nobody")
    assert caught.value.code is Code.NOT_FOUND


def own(kind: str) -> str:
    return str(Path(f"/proc/self/ns/{kind}").readlink())
