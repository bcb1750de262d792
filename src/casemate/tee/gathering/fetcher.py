"""One document from a vendor's service, asked for with patience (``asker``).

Who asks for a document that is on its way waits for that one, and what failed is not asked for
again for a minute.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from casemate.errors import PeerError
from casemate.net.http import HttpClient, Response
from casemate.tee.conversation import Question
from casemate.tee.gathering.asker import Asker, Limits, Time
from casemate.tee.gathering.document import require_plausible
from casemate.tee.want import Want

__all__ = ["Fetched", "Fetcher", "Limits"]

_OK: Final = 200
_MOST_REMEMBERED: Final = 1024  # failures
_FORGET_FAILURE: Final = 60.0  # seconds


class Fetched(NamedTuple):
    """A document as it came."""

    body: bytes
    chain: bytes
    """The issuer chain of the header that was asked for, PEM; empty without one."""


class Fetcher:
    """Asks services for documents. One fetcher belongs to one event loop.

    Args:
        client: makes the requests.
        limits: how long to try.
        clock: seconds that never run backwards.
        wall: seconds since the epoch, for a Retry-After that is a date.
        sleep: waits for seconds.
        spread: 0 to 1, drawn for each pause, so that many who failed together do not return so.
    """

    def __init__(
        self,
        client: HttpClient,
        *,
        limits: Limits,
        clock: Callable[[], float],
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._asker = Asker(client, limits=limits, time=Time(clock, wall, sleep, spread))
        self._clock = clock
        self._under_way: dict[_Key, asyncio.Task[Fetched]] = {}
        self._failed: OrderedDict[_Key, tuple[float, PeerError]] = OrderedDict()

    async def fetch(self, want: Want) -> Fetched:
        """Give a document; who asks for one that is on its way waits for that one.

        Raises:
            PeerError: it cannot be had, now or within the last minute.
        """
        key = (want.name, want.url)
        self._require_not_failed(key)
        task = self._under_way.get(key)
        if task is None:  # the fetcher's own: it ends by itself, at the latest in ``close``
            task = asyncio.ensure_future(self._fetch(want))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what is under way, and close connections."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._asker.close()

    def _finished(self, key: "_Key", task: "asyncio.Task[Fetched]") -> None:
        self._under_way.pop(key, None)
        if task.cancelled() or not isinstance(error := task.exception(), PeerError):
            return
        self._failed[key] = (self._clock() + _FORGET_FAILURE, error)
        if len(self._failed) > _MOST_REMEMBERED:
            self._failed.popitem(last=False)

    def _require_not_failed(self, key: "_Key") -> None:
        until, error = self._failed.get(key, (0.0, None))
        if error is None:
            return
        if self._clock() < until:
            raise PeerError(error.where, got=error.got, want=error.want) from error
        del self._failed[key]

    async def _fetch(self, want: Want) -> Fetched:
        answer = await self._asker.ask(
            Question(
                method="POST" if want.body else "GET",
                url=want.url,
                headers=want.headers,
                body=want.body,
                largest=want.largest,
            )
        )
        if answer.status != _OK:
            raise PeerError(want.url, got=f"status {answer.status}", want="200 and a document")
        try:
            require_plausible(want.name, answer.body)
            return Fetched(answer.body, _chain(answer, want.chain_header))
        except PeerError as failed:
            raise PeerError(
                want.url, got=f"{failed.got} ({failed.where})", want=failed.want
            ) from failed


def _chain(answer: Response, header: str) -> bytes:
    """Read the issuer chain, PEM, out of its header; PeerError when it is none."""
    if not header:
        return b""
    chain = unquote_to_bytes(answer.header(header) or "")
    require_plausible(f"{header}.pem", chain)
    return chain


_Key: TypeAlias = tuple[str, str]
"""Name and URL of a document."""
