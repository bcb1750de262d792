from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from casemate.net.ttrpc import Server
from casemate.peerpods.adaptor import Adaptor, AdaptorSettings
from casemate.peerpods.channel import ChannelKeys
from casemate.peerpods.service import services
from tests.sim.podvm import SimulatedCloud


@dataclass
class Node:
    """An adaptor over a simulated cloud, serving ``socket``."""

    adaptor: Adaptor
    cloud: SimulatedCloud
    socket: Path
    pods: Path


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    pods = tmp_path / "pods"
    cloud = SimulatedCloud(pods)
    settings = AdaptorSettings(pods=pods, most_pods=3, connect_seconds=5, announce_seconds=0.2)
    adaptor = Adaptor(cloud, ChannelKeys.create(), settings)
    server = Server(services(adaptor))
    socket = tmp_path / "adaptor.sock"
    await server.serve_unix(socket)
    yield Node(adaptor, cloud, socket, pods)
    await server.close()
    await adaptor.stop_all()
