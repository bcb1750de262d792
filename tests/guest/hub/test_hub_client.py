"""The agent's end of the channel to the vault, over a real pair of sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from casemate.errors import InputError, Refusal, VerificationError
from casemate.guest.hub import names
from casemate.guest.hub.service import HubService
from casemate.guest.hub_client import HubClient
from casemate.net import unix
from casemate.net.ttrpc import Server, Services
from casemate.wire.ttrpc_status import TtrpcError

BUNDLES = Path("/run/kata-containers")
REFUSAL = Refusal(step="pull", claim="c", got="g", expected="e", rule="r", remedy="m")


class SlowImages:
    """Pulls that take until somebody gives them up, unless the image is refused or unknown."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.told: list[str] = []

    async def pull(self, image: str, bundle: Path) -> None:
        if image == "refused":
            raise VerificationError(REFUSAL)
        if image == "unknown":
            raise InputError("image", got=image, want="one we know")
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.told.append(f"given up {bundle.name}")

    def drop(self, bundle: Path) -> None:
        self.told.append(f"dropped {bundle.name}")


def service(images: SlowImages) -> HubService:
    return HubService(None, None, images, None)  # type: ignore[arg-type]  # images alone are asked


@asynccontextmanager
async def vault(services: Services) -> AsyncIterator[HubClient]:
    ours, theirs = unix.pair()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(Server(services).serve_channel(theirs))
        client = await HubClient.connect(ours)
        try:
            yield client
        finally:
            await client.close()
            await serving


async def test_refusal_in_the_vault_is_the_same_refusal_here() -> None:
    async with vault(service(SlowImages()).services_of_agent()) as hub:
        with pytest.raises(VerificationError) as caught:
            await hub.pull("refused", BUNDLES / "c1")
    assert caught.value.refusal == REFUSAL


async def test_other_errors_come_with_their_words() -> None:
    async with vault(service(SlowImages()).services_of_agent()) as hub:
        with pytest.raises(TtrpcError, match="one we know"):
            await hub.pull("unknown", BUNDLES / "c1")
        with pytest.raises(TtrpcError, match="bundle_path"):
            await hub.pull("any", Path("/etc/c1"))


async def test_pull_that_is_given_up_ends_before_its_bundle_is_dropped() -> None:
    images = SlowImages()
    async with vault(service(images).services_of_agent()) as hub:
        pull = asyncio.create_task(hub.pull("any", BUNDLES / "c1"))
        await images.begun.wait()
        pull.cancel()
        await hub.drop(BUNDLES / "c1")
    assert images.told == ["given up c1", "dropped c1"]


async def test_bundle_that_is_being_filled_takes_no_second_image() -> None:
    images = SlowImages()
    async with vault(service(images).services_of_agent()) as hub:
        pull = asyncio.create_task(hub.pull("any", BUNDLES / "c1"))
        await images.begun.wait()
        with pytest.raises(TtrpcError, match="nobody fills"):
            await hub.pull("any", BUNDLES / "c1")
        pull.cancel()
        await hub.drop(BUNDLES / "c1")


def test_only_the_agent_may_have_images_forgotten() -> None:
    """Containers may reach what the hub's own socket serves, by REST or a mount."""
    made = service(SlowImages())
    assert names.TREES not in made.services()
    assert set(made.services_of_agent()) == {names.IMAGES, names.TREES}
