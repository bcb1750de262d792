"""The vault as the agent asks it: images pulled and forgotten there, sockets for containers."""

import asyncio
from pathlib import Path
from typing import Final, Self

from casemate.errors import PeerError
from casemate.net.unix import Channel
from casemate.wire import vault_call
from casemate.wire.vault_call import Call, DropImage, Order, PullImage, ServeContainers

_CHUNK: Final = 1 << 16


class VaultClient:
    """One connection. An error in the vault is the same error here; nothing reconnects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._made = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._lost: PeerError | None = None
        self._task = asyncio.get_running_loop().create_task(self._receive(), name="vault client")

    @classmethod
    async def connect(cls, channel: Channel) -> Self:
        """Take over our end of the pair."""
        channel.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=channel))

    async def pull(self, image: str, bundle: Path) -> None:
        """Pull an image; its tree appears at ``bundle/rootfs``, its process in ``config.json``.

        Raises:
            VerificationError: signature, digest, or a key that is refused.
            InputError: not an image name, or not a bundle.
            PeerError: the registry, or the vault is gone.
            HostError: no space.
        """
        await self._call(PullImage(image, str(bundle)))

    async def drop(self, bundle: Path) -> None:
        """Delete the tree of a bundle whose container, with all mounts, is gone."""
        await self._call(DropImage(str(bundle)))

    async def serve_containers(self) -> None:
        """Have everything listen that a container may use; at once when it does already."""
        await self._call(ServeContainers())

    async def close(self) -> None:
        """End the connection; calls that are open fail."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()

    async def _call(self, order: Order) -> None:
        if self._lost is not None:
            raise self._lost
        self._made += 1
        number = self._made
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            self._writer.write(vault_call.encode(Call(number, order)))
            await answered
        finally:
            del self._waiting[number]

    async def _receive(self) -> None:
        lost = PeerError("vault", got="the end of the channel", want="an answer")
        frames = vault_call.Frames()
        try:
            while data := await self._reader.read(_CHUNK):
                for text in frames.receive(data):
                    self._settle(vault_call.parse_answer(text))
        except PeerError as error:
            lost = error
        except OSError as error:
            lost = PeerError("vault", got=error, want="an answer")
        finally:
            self._fail(lost)

    def _settle(self, answer: vault_call.Answer) -> None:
        waiting = self._waiting.get(answer.number)
        if waiting is None or waiting.done():
            return  # the answer to a call whose caller has given up
        if answer.failure is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(answer.failure.error())

    def _fail(self, lost: PeerError) -> None:
        self._lost = lost
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(lost)
