"""The vault's sockets for containers: opened together, once, and none of them silently missing."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.guest.attestation import serve as attestation
from casemate.guest.attestation.service import SERVICE
from casemate.guest.container_sockets import ContainerSockets, Places
from casemate.guest.hub import serve as hubs
from casemate.guest.hub import settings
from casemate.guest.hub.names import RESOURCES
from casemate.guest.reporting import Stations
from casemate.net.ttrpc import Client
from casemate.tee.sample.attester import SampleAttester
from casemate.wire.console import ConsoleEvent
from casemate.wire.pb import attestation_agent_pb2 as pb
from casemate.wire.ttrpc_status import TtrpcError


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port of this test alone, which is free once this closes."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder
    gc.unfreeze()


def sockets(folder: Path, port: int) -> ContainerSockets:
    places = Places(agent=folder / "aa.sock", hub=folder / "cdh.sock", rest=port)
    events: list[ConsoleEvent] = []
    stations = Stations(events.append)
    agent = attestation.build(SampleAttester(), None, stations)
    return ContainerSockets(agent, hubs.build(agent, settings.of(None), stations), places)


async def test_everything_listens_once_it_is_open(tmp_path: Path, taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    taken.close()
    made = sockets(tmp_path, port)
    assert not (tmp_path / "aa.sock").exists()
    await asyncio.gather(made.open(), made.open())
    await made.open()
    async with await Client.connect_unix(tmp_path / "aa.sock") as client:
        answer = await client.call(SERVICE, "GetTeeType", b"", timeout=5)
        assert pb.GetTeeTypeResponse.FromString(answer).tee == "sample"
    async with await Client.connect_unix(tmp_path / "cdh.sock") as client:
        with pytest.raises(TtrpcError, match="INVALID_ARGUMENT"):
            await client.call(RESOURCES, "GetResource", b"", timeout=5)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /aa/tee HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 ")
    writer.close()
    assert gc.isenabled()


async def test_port_that_is_taken_is_told(tmp_path: Path, taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    with pytest.raises(HostError, match=str(port)):
        await sockets(tmp_path, port).open()
