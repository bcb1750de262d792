"""One document from a vendor's service: bounded in size and time, patient, and never a nuisance.

    429, 503    the host is left alone until Retry-After, or for a growing while when it says none
    other 5xx, no connection, a broken answer    asked again after a growing while
    anything else    final: asking again would not help

Vendors limit how often they are asked. So each host gets few requests at a time, a host that said
"later" is asked by nobody before then, and what failed is not asked for again for a minute.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from casemate.errors import PeerError, VerificationError
from casemate.net.http import HttpClient, Response
from casemate.tee.gathering.document import require_plausible
from casemate.tee.want import Want

_OK: Final = 200
_LATER: Final = frozenset({429, 503})
_EACH_HOST: Final = 2
_MOST_REMEMBERED: Final = 1024  # failures
_FORGET_FAILURE: Final = 60.0  # seconds


class Limits(NamedTuple):
    """How long to try. Seconds."""

    attempt: float = 10.0
    """Longest a single request may take, however slowly its answer drips in."""
    attempts: int = 4
    first_pause: float = 0.5
    """Before the second attempt; each later pause is twice as long."""
    longest_pause: float = 8.0
    """Nobody waits longer than this for a host that says when it may be asked again."""


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
        self._client = client
        self._limits = limits
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self._spread = spread
        self._hosts: dict[str, _Host] = {}  # few: only options name services
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
        await self._client.close()

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
        host = self._host(want.url)
        pause = self._limits.first_pause
        for attempt in range(1, self._limits.attempts + 1):
            async with host.room:
                await self._wait_for(host, want)
                outcome = await self._ask(want, host, pause)
            if isinstance(outcome, Fetched):
                return outcome
            if not outcome.again or attempt == self._limits.attempts:
                raise outcome.error
            await self._sleep(pause * (1 + self._spread()))
            pause = min(2 * pause, self._limits.longest_pause)
        raise AssertionError(want)  # the last attempt returned or raised

    async def _wait_for(self, host: "_Host", want: Want) -> None:
        """Wait until the host may be asked, unless that is too long to wait."""
        rest = host.closed_until - self._clock()
        if rest > self._limits.longest_pause:
            raise PeerError(
                want.url, got=f"a service that may be asked in {rest:.0f} s", want="an answer"
            )
        if rest > 0:
            await self._sleep(rest)

    async def _ask(self, want: Want, host: "_Host", pause: float) -> "Fetched | _Failure":
        try:
            async with asyncio.timeout(self._limits.attempt):
                answer = await self._client.request(
                    "POST" if want.body else "GET",
                    want.url,
                    want.headers,
                    want.body,
                    largest=want.largest,
                )
        except TimeoutError:
            error = PeerError(
                want.url, got=f"no whole answer in {self._limits.attempt:g} s", want="a document"
            )
            return _Failure(error, again=True)
        except VerificationError as refused:
            error = PeerError(want.url, got=refused.got, want=refused.want)
            return _Failure(error, again=False)
        except PeerError as failed:
            error = PeerError(want.url, got=f"{failed.got} ({failed.where})", want=failed.want)
            return _Failure(error, again=not failed.got.startswith("a body over"))
        return self._judge(answer, want, host, pause)

    def _judge(
        self, answer: Response, want: Want, host: "_Host", pause: float
    ) -> "Fetched | _Failure":
        if answer.status != _OK:
            if answer.status in _LATER:
                host.closed_until = self._clock() + self._asked_to_wait(answer, pause)
            error = PeerError(want.url, got=f"status {answer.status}", want="200 and a document")
            return _Failure(error, again=answer.status in _LATER or answer.status >= 500)
        try:
            require_plausible(want.name, answer.body)
            return Fetched(answer.body, _chain(answer, want.chain_header))
        except PeerError as failed:
            error = PeerError(want.url, got=f"{failed.got} ({failed.where})", want=failed.want)
            return _Failure(error, again=False)

    def _asked_to_wait(self, answer: Response, pause: float) -> float:
        """Read Retry-After, seconds or a date (RFC 9110 section 10.2.3)."""
        text = (answer.header("retry-after") or "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._wall())
        except ValueError:
            return pause

    def _host(self, url: str) -> "_Host":
        origin = "/".join(url.split("/", 3)[:3])
        return self._hosts.setdefault(origin, _Host())


def _chain(answer: Response, header: str) -> bytes:
    """Read the issuer chain, PEM, out of its header; PeerError when it is none."""
    if not header:
        return b""
    chain = unquote_to_bytes(answer.header(header) or "")
    require_plausible(f"{header}.pem", chain)
    return chain


class _Host:
    """A service, and when it may be asked again."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(_EACH_HOST)
        self.closed_until = 0.0


_Key: TypeAlias = tuple[str, str]
"""Name and URL of a document."""


class _Failure(NamedTuple):
    error: PeerError
    again: bool
    """Whether asking once more may help."""
