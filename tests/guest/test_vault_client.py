"""The agent's end of the channel to the vault, over a real pair of sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from casemate.errors import HostError, InputError, PeerError, Refusal, VerificationError
from casemate.guest.hub.agent_calls import AgentCalls
from casemate.guest.hub.pulls import Pulls
from casemate.guest.vault_client import VaultClient
from casemate.net import unix
from casemate.oci.pull import PulledImage

BUNDLES = Path("/run/kata-containers")
REFUSAL = Refusal(step="pull", claim="c", got="g", expected="e", rule="r", remedy="m")


class SlowImages:
    """Pulls that take until somebody gives them up, unless the image has a name below."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.told: list[str] = []

    async def pull(self, image: str, bundle: Path) -> PulledImage:
        if image == "refused":
            raise VerificationError(REFUSAL)
        if image == "unknown":
            raise InputError("image", got=image, want="one we know")
        if image == "broken":
            raise KeyError("hunter2")
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.told.append(f"given up {bundle.name}")
        raise AssertionError("a pull that ends")

    def drop(self, bundle: Path) -> None:
        self.told.append(f"dropped {bundle.name}")


async def _nothing() -> None:
    return


@asynccontextmanager
async def vault(
    images: SlowImages, serve: Callable[[], Awaitable[None]] = _nothing
) -> AsyncIterator[VaultClient]:
    ours, theirs = unix.pair()
    calls = AgentCalls(Pulls(images), serve)  # type: ignore[arg-type]  # the part that is asked
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(calls.serve(theirs))
        client = await VaultClient.connect(ours)
        try:
            yield client
        finally:
            await client.close()
            await serving


async def test_refusal_in_the_vault_is_the_same_refusal_here() -> None:
    async with vault(SlowImages()) as asked:
        with pytest.raises(VerificationError) as caught:
            await asked.pull("refused", BUNDLES / "c1")
    assert caught.value.refusal == REFUSAL


async def test_other_errors_are_the_same_here() -> None:
    async with vault(SlowImages()) as asked:
        with pytest.raises(InputError, match="one we know"):
            await asked.pull("unknown", BUNDLES / "c1")
        with pytest.raises(InputError, match="bundle_path"):
            await asked.pull("any", Path("/etc/c1"))


async def test_broken_order_says_its_type_alone_and_ends_no_other() -> None:
    images = SlowImages()
    async with vault(images) as asked:
        other = asyncio.create_task(asked.pull("any", BUNDLES / "c2"))
        await images.begun.wait()
        with pytest.raises(HostError, match="KeyError") as caught:
            await asked.pull("broken", BUNDLES / "c1")
        assert "hunter2" not in str(caught.value)
        assert not other.done()
        other.cancel()
        await asked.drop(BUNDLES / "c2")


async def test_pull_that_is_given_up_ends_before_its_bundle_is_dropped() -> None:
    images = SlowImages()
    async with vault(images) as asked:
        pull = asyncio.create_task(asked.pull("any", BUNDLES / "c1"))
        await images.begun.wait()
        pull.cancel()
        await asked.drop(BUNDLES / "c1")
    assert images.told == ["given up c1", "dropped c1"]


async def test_bundle_that_is_being_filled_takes_no_second_image() -> None:
    images = SlowImages()
    async with vault(images) as asked:
        pull = asyncio.create_task(asked.pull("any", BUNDLES / "c1"))
        await images.begun.wait()
        with pytest.raises(InputError, match="nobody fills"):
            await asked.pull("any", BUNDLES / "c1")
        pull.cancel()
        await asked.drop(BUNDLES / "c1")


async def test_agent_waits_until_containers_are_served() -> None:
    opened = asyncio.Event()

    async def serve() -> None:
        await opened.wait()

    async with vault(SlowImages(), serve) as asked:
        waiting = asyncio.create_task(asked.serve_containers())
        with pytest.raises(InputError):
            await asked.pull("unknown", BUNDLES / "c1")  # others are answered meanwhile
        assert not waiting.done()
        opened.set()
        await waiting


async def test_vault_that_cannot_serve_containers_ends_and_the_agent_hears_of_it() -> None:
    async def serve() -> None:
        raise HostError("listen on /x", got="taken", want="a socket")

    async def pod() -> None:
        async with vault(SlowImages(), serve) as asked:
            with pytest.raises(PeerError, match="vault"):
                await asked.serve_containers()
            with pytest.raises(PeerError, match="vault"):
                await asked.drop(BUNDLES / "c1")

    with pytest.raises(BaseExceptionGroup) as caught:
        await pod()
    assert "taken" in _texts(caught.value)


async def test_vault_gives_up_what_goes_on_when_the_agent_is_gone() -> None:
    images = SlowImages()
    async with vault(images) as asked:
        pull = asyncio.create_task(asked.pull("any", BUNDLES / "c1"))
        await images.begun.wait()
    with pytest.raises((PeerError, asyncio.CancelledError)):
        await pull
    assert images.told == ["given up c1"]


async def test_more_orders_than_may_be_open_are_turned_away() -> None:
    async with vault(SlowImages()) as asked:
        names = [BUNDLES / f"c{number}" for number in range(1024)]
        pulls = [asyncio.create_task(asked.pull("any", name)) for name in names]
        await asyncio.sleep(0)  # they ask first
        with pytest.raises(HostError, match="1024 open orders"):
            await asked.pull("any", BUNDLES / "one-more")
        assert not any(pull.done() for pull in pulls)
    await asyncio.gather(*pulls, return_exceptions=True)


async def test_nonsense_from_the_agent_ends_the_vault() -> None:
    ours, theirs = unix.pair()
    calls = AgentCalls(Pulls(SlowImages()), _nothing)  # type: ignore[arg-type]
    with ours:
        ours.sendall(b"\0\0\0\2[]")
        with pytest.raises(BaseExceptionGroup) as caught:
            await calls.serve(theirs)
    assert "with one Call" in _texts(caught.value)


def _texts(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " ".join(map(_texts, error.exceptions))
    return str(error)
