"""One request to a service: bounded in size and time, patient, and never a nuisance.

    429, 503    the host is left alone until Retry-After, or for a growing while when it says none
    other 5xx, no connection, a broken answer    asked again after a growing while
    anything else    final: asking again would not help

Services limit how often they are asked. So each host gets few requests at a time, and a host that
said "later" is asked by nobody before then.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from casemate.errors import PeerError, VerificationError
from casemate.net.http import HttpClient, Response
from casemate.tee.conversation import Question

_LATER: Final = frozenset({429, 503})
_EACH_HOST: Final = 2
_MOST_WAITING: Final = 64
"""For one host. Whoever sends evidence has certificates fetched before it is proved to be any."""


class Limits(NamedTuple):
    """How long to try. Seconds."""

    attempt: float = 10.0
    """Longest a single request may take, however slowly its answer drips in."""
    attempts: int = 4
    first_pause: float = 0.5
    """Before the second attempt; each later pause is twice as long."""
    longest_pause: float = 8.0
    """Nobody waits longer than this for a host that says when it may be asked again."""


class Time(NamedTuple):
    """How time passes for whoever asks.

    ``clock`` gives seconds that never run backwards, ``wall`` seconds since the epoch (for a
    Retry-After that is a date), ``sleep`` waits for seconds; ``spread``, 0 to 1, is drawn for each
    pause, so that many who failed together do not return so.
    """

    clock: Callable[[], float]
    wall: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    spread: Callable[[], float] = random.random


class Asker:
    """Asks services through one client. It belongs to one event loop."""

    def __init__(self, client: HttpClient, *, limits: Limits, time: Time) -> None:
        self._client = client
        self._limits = limits
        self._time = time
        self._hosts: dict[str, _Host] = {}  # few: only options name services

    async def ask(self, question: Question) -> Response:
        """Give the service's answer: the first that is final, else the last.

        Raises:
            PeerError: it gives no whole answer, or said "later", and that is too long to wait; or
                too many wait for it.
        """
        host = self._host(question.url)
        if host.waiting >= _MOST_WAITING:
            raise PeerError(question.url, got=f"{host.waiting} others waiting", want="an answer")
        host.waiting += 1
        try:
            return await self._ask(question, host)
        finally:
            host.waiting -= 1

    async def _ask(self, question: Question, host: "_Host") -> Response:
        pause = self._limits.first_pause
        for attempt in range(1, self._limits.attempts + 1):
            async with host.room:
                await self._wait_for(host, question.url)
                outcome = await self._once(question, host, pause)
            last = attempt == self._limits.attempts
            if isinstance(outcome, Response):
                if last or not (
                    outcome.status in _LATER or (question.again and outcome.status >= 500)
                ):
                    return outcome
            elif last or not outcome.again:
                raise outcome.error
            await self._time.sleep(pause * (1 + self._time.spread()))
            pause = min(2 * pause, self._limits.longest_pause)
        raise AssertionError(question)  # the last attempt returned or raised

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    async def _wait_for(self, host: "_Host", url: str) -> None:
        """Wait until the host may be asked, unless that is too long to wait."""
        rest = host.closed_until - self._time.clock()
        if rest > self._limits.longest_pause:
            raise PeerError(
                url, got=f"a service that may be asked in {rest:.0f} s", want="an answer"
            )
        if rest > 0:
            await self._time.sleep(rest)

    async def _once(self, question: Question, host: "_Host", pause: float) -> "Response | _Failure":
        url = question.url
        try:
            async with asyncio.timeout(self._limits.attempt):
                answer = await self._client.request(
                    question.method,
                    url,
                    question.headers,
                    question.body,
                    largest=question.largest,
                )
        except TimeoutError:
            got = f"no whole answer in {self._limits.attempt:g} s"
            return _Failure(PeerError(url, got=got, want="a document"), question.again)
        except VerificationError as refused:
            return _Failure(PeerError(url, got=refused.got, want=refused.want), again=False)
        except PeerError as failed:
            error = PeerError(url, got=f"{failed.got} ({failed.where})", want=failed.want)
            return _Failure(error, question.again and not failed.got.startswith("a body over"))
        if answer.status in _LATER:
            host.closed_until = self._time.clock() + self._asked_to_wait(answer, pause)
        return answer

    def _asked_to_wait(self, answer: Response, pause: float) -> float:
        """Read Retry-After, seconds or a date (RFC 9110 section 10.2.3)."""
        text = (answer.header("retry-after") or "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._time.wall())
        except ValueError:
            return pause

    def _host(self, url: str) -> "_Host":
        origin = "/".join(url.split("/", 3)[:3])
        return self._hosts.setdefault(origin, _Host())


class _Host:
    """A service, and when it may be asked again."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(_EACH_HOST)
        self.closed_until = 0.0
        self.waiting = 0


class _Failure(NamedTuple):
    error: PeerError
    again: bool
    """Whether asking once more may help."""
