"""The vault's side of the channel to the agent (wire/vault_call.py)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from casemate.errors import CasemateError
from casemate.guest.hub.pulls import Pulls
from casemate.net.unix import Channel
from casemate.wire import vault_call
from casemate.wire.vault_call import (
    Answer,
    Call,
    DropImage,
    Failure,
    PullImage,
    ServeContainers,
)

_CHUNK: Final = 1 << 16
_MOST: Final = 1024
"""Orders that may be open at once; the next ones are turned away."""
_BUSY: Final = Failure("host", "vault", f"{_MOST} open orders", "one more when one of them ends")
_log = logging.getLogger(__name__)


class AgentCalls:
    """Carries out what the agent asks, each order as a task of its own.

    Args:
        pulls: images and their bundles.
        serve_containers: makes everything listen that a container may use. What it raises is not
            answered: a vault that cannot serve ends.
    """

    def __init__(self, pulls: Pulls, serve_containers: Callable[[], Awaitable[None]]) -> None:
        self._pulls = pulls
        self._serve_containers = serve_containers

    async def serve(self, channel: Channel) -> None:
        """Answer until the agent is gone; what goes on then is given up.

        Raises:
            PeerError: the agent does not keep to the form.
            HostError: containers cannot be served.
        """
        channel.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=channel)
        frames = vault_call.Frames()
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as calls:
            try:
                while data := await reader.read(_CHUNK):
                    for text in frames.receive(data):
                        call = vault_call.parse_call(text)
                        if len(running) >= _MOST:
                            writer.write(vault_call.encode(Answer(call.number, _BUSY)))
                            continue
                        task = calls.create_task(self._answer(call, writer))
                        running.add(task)
                        task.add_done_callback(running.discard)
            except ConnectionError as error:
                _log.debug("the agent left: %s", error)
            finally:
                for task in running:
                    task.cancel()
                writer.close()

    async def _answer(self, call: Call, writer: asyncio.StreamWriter) -> None:
        if isinstance(call.order, ServeContainers):
            await self._serve_containers()
            answer = Answer(call.number)
        else:
            answer = await self._carried_out(call.number, call.order)
        writer.write(vault_call.encode(answer))

    async def _carried_out(self, number: int, order: PullImage | DropImage) -> Answer:
        try:
            match order:
                case PullImage():
                    await self._pulls.pull(order.image, order.bundle)
                case DropImage():
                    await self._pulls.drop(order.bundle)
        except CasemateError as error:
            return Answer(number, vault_call.failure(error))
        except Exception as error:  # noqa: BLE001  # one broken order must not end the others
            _log.exception("an order of the agent failed")
            told = f"internal error ({type(error).__name__})"
            return Answer(number, Failure("host", "vault", told, "the order carried out"))
        return Answer(number)
