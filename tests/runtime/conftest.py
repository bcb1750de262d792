from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from casemate.net.ttrpc import Server
from casemate.peerpods.adaptor import Adaptor, AdaptorSettings
from casemate.peerpods.channel import ChannelKeys
from casemate.peerpods.service import services
from casemate.runtime.request import ContainerRequest, PodRequest
from casemate.runtime.sandbox import Sandboxes
from tests.sim.podvm import SimulatedCloud


@dataclass
class Stage:
    """A node: the runtime over a real adaptor over a simulated cloud."""

    sandboxes: Sandboxes
    cloud: SimulatedCloud
    state: Path
    steps: list[str]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    cloud = SimulatedCloud(tmp_path / "pods")
    settings = AdaptorSettings(pods=tmp_path / "pods", connect_seconds=5, announce_seconds=0.2)
    adaptor = Adaptor(cloud, ChannelKeys.create(), settings)
    server = Server(services(adaptor))
    await server.serve_unix(tmp_path / "adaptor.sock")
    yield Stage(Sandboxes(tmp_path), cloud, tmp_path, [])
    await server.close()
    await adaptor.stop_all()


def pod(*names: str, name: str = "app") -> PodRequest:
    """A pod with a container for each name."""
    return PodRequest(
        name=name,
        containers=tuple(
            ContainerRequest(name=n, image=f"localhost:5000/demo/{n}:1", arguments=("say", n))
            for n in (names or ("app",))
        ),
    )
