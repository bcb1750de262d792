"""``casemate adaptor serve`` as a process: one for each socket, and gone when asked."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from casemate.errors import PeerError
from casemate.net.ttrpc import Client
from casemate.wire import hypervisor
from casemate.wire.hypervisor import VmWishes
from casemate.wire.pb import hypervisor_pb2


async def _start(state: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "casemate.cli.main", "adaptor", "serve", "--state", str(state)),
        *words,
        stderr=asyncio.subprocess.PIPE,
    )


async def _told(adaptor: asyncio.subprocess.Process) -> str:
    assert adaptor.stderr is not None
    return (await adaptor.stderr.read()).decode()


@pytest.fixture
async def adaptor(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await _start(tmp_path)
    assert process.stderr is not None
    while b"serving" not in await process.stderr.readline():
        assert process.returncode is None
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


async def _call(state: Path, method: str, payload: bytes) -> bytes:
    async with await Client.connect_unix(state / "adaptor.sock") as client:
        return await client.call(hypervisor.SERVICE, method, payload, timeout=30)


async def test_it_serves_until_asked_to_end(
    adaptor: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    answer = await _call(tmp_path, "Version", b"")
    assert hypervisor_pb2.VersionResponse.FromString(answer).version == hypervisor.VERSION
    adaptor.send_signal(signal.SIGTERM)
    assert await adaptor.wait() == 0
    assert "adaptor.sock" not in _names(tmp_path)


async def test_a_second_one_for_the_same_socket_is_refused(
    adaptor: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    assert adaptor.returncode is None
    second = await _start(tmp_path)
    assert "another adaptor" in await _told(second)
    assert await second.wait() == 2
    await _call(tmp_path, "Version", b"")


async def test_one_that_was_killed_leaves_no_obstacle(
    adaptor: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    left = tmp_path / "pods/a1/vm/tpm"
    await asyncio.to_thread(left.mkdir, parents=True)
    adaptor.kill()
    await adaptor.wait()
    with pytest.raises(PeerError):
        await _call(tmp_path, "Version", b"")
    again = await _start(tmp_path)
    assert again.stderr is not None
    assert b"serving" in await again.stderr.readline()
    assert _names(tmp_path / "pods/a1") == []
    again.terminate()
    assert await again.wait() == 0


async def test_an_image_that_is_none_is_told_by_name(
    adaptor: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    assert adaptor.returncode is None
    wishes = hypervisor.encode(VmWishes(pod="app", image=str(tmp_path)))
    made = hypervisor_pb2.CreateVMRequest(id="a1", annotations=wishes)
    await _call(tmp_path, "CreateVM", made.SerializeToString())
    start = hypervisor_pb2.StartVMRequest(id="a1").SerializeToString()
    with pytest.raises(PeerError, match="casemate podvm build"):
        await _call(tmp_path, "StartVM", start)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--provider", "moon"), "qemu"),
        (("--config", "/nonexistent"), "/nonexistent"),
        (("--image", "/nonexistent"), "/nonexistent"),
        (("--image", "/etc"), "casemate podvm build"),
    ],
)
async def test_settings_that_cannot_be_meant_exit_2(
    tmp_path: Path, words: tuple[str, ...], hint: str
) -> None:
    process = await _start(tmp_path, *words)
    assert hint in await _told(process)
    assert await process.wait() == 2
