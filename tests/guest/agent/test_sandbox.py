"""No process of a container runs before everything listens that it may use."""

import asyncio
from pathlib import Path

import pytest

from casemate.errors import HostError, InputError
from casemate.guest.agent.container import Container
from casemate.guest.agent.sandbox import Folders, Sandbox
from casemate.guest.agent.storages import Storages
from casemate.linux.crun import Crun
from casemate.wire.pb import agent_pb2


class Idle(Container):
    """A container that was made; takes down what happens to it."""

    def __init__(self, told: list[str]) -> None:
        super().__init__("c", Path("/nowhere"), Crun(Path("/nowhere")))
        self._told = told

    async def start(self) -> None:
        self._told.append("started")


async def _pull(reference: str, bundle: Path) -> None:
    raise AssertionError(f"{reference} for {bundle}: nothing is pulled here")


async def test_process_starts_once_containers_are_served(tmp_path: Path) -> None:
    told: list[str] = []
    opened = asyncio.Event()

    async def serve() -> None:
        told.append("asked")
        await opened.wait()
        told.append("served")

    async with asyncio.TaskGroup() as tasks:
        folders = Folders(containers=tmp_path, sandbox=tmp_path, crun=tmp_path)
        made = Sandbox(Crun(tmp_path), Storages(_pull), tasks, folders, serve_containers=serve)
        made._containers["c"] = Idle(told)
        starts = [tasks.create_task(made.start("c")) for _ in range(2)]
        request = agent_pb2.ExecProcessRequest(container_id="c", exec_id="e")
        executing = asyncio.create_task(made.execute(request))
        await asyncio.sleep(0.01)
        assert told == ["asked"]
        assert not executing.done()
        executing.cancel()
        opened.set()
        await asyncio.gather(*starts)
    assert told == ["asked", "served", "started", "started"]


async def test_pod_ends_when_containers_cannot_be_served(tmp_path: Path) -> None:
    told: list[str] = []

    async def serve() -> None:
        raise HostError("port 8006", got="taken", want="a free port")

    async def pod() -> None:
        async with asyncio.TaskGroup() as tasks:
            folders = Folders(containers=tmp_path)
            made = Sandbox(Crun(tmp_path), Storages(_pull), tasks, folders, serve_containers=serve)
            made._containers["c"] = Idle(told)
            await made.start("c")

    with pytest.raises(BaseExceptionGroup) as caught:
        await pod()
    assert told == []
    assert any(isinstance(error, HostError) for error in caught.value.exceptions)


async def test_pod_ends_when_namespaces_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def serve() -> None: ...

    async def pod() -> None:
        async with asyncio.TaskGroup() as tasks:
            folders = Folders(containers=tmp_path, sandbox=tmp_path / "file/sandbox")
            made = Sandbox(Crun(tmp_path), Storages(_pull), tasks, folders, serve_containers=serve)
            made._id, made._rehearsed = "pod", True
            await made.create_container(agent_pb2.CreateContainerRequest(container_id="c"))

    with pytest.raises(BaseExceptionGroup) as caught:
        await pod()
    assert {str(error).partition(":")[0] for error in caught.value.exceptions} == {"ipc namespace"}
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("name", ["a" * 65, "a b", "pod\n10.0.0.1 registry", "pod#", "h\u00f6st"])
async def test_hostname_of_the_host_is_no_more_than_a_name(name: str, tmp_path: Path) -> None:
    async def serve() -> None: ...

    async with asyncio.TaskGroup() as tasks:
        folders = Folders(containers=tmp_path, sandbox=tmp_path / "sandbox")
        made = Sandbox(Crun(tmp_path), Storages(_pull), tasks, folders, serve_containers=serve)
        with pytest.raises(InputError, match="hostname"):
            await made.create(agent_pb2.CreateSandboxRequest(sandbox_id="s", hostname=name))
        await made.create(agent_pb2.CreateSandboxRequest(sandbox_id="s", hostname="demo-pod.ns_1"))
    assert "127.0.1.1 demo-pod.ns_1\n" in (tmp_path / "sandbox/hosts").read_text()
