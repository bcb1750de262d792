"""One token for all who ask: kept until shortly before it ends, fetched by one at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from casemate.errors import CasemateError
from casemate.guest.attestation.rcar import Passport

_MARGIN: Final = 30.0
_LARGEST_SHARE: Final = 0.2

Clock = Callable[[], float]


class _Outcome(msgspec.Struct, frozen=True):
    """How the last attempt ended, for those who waited for it."""

    passport: Passport | None = None
    good_until: float = 0.0
    error: CasemateError | None = None


class Passports:
    """The cached passport of one broker.

    Args:
        attest: makes a new one.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, attest: Callable[[], Awaitable[Passport]], *, clock: Clock = time.monotonic
    ) -> None:
        self._attest = attest
        self._clock = clock
        self._lock = asyncio.Lock()
        self._attempts = 0
        self._last = _Outcome()

    async def get(self) -> Passport:
        """Give a passport good for some time yet (30 s, or a fifth of its life if that is less).

        Callers that come while an attempt runs share its outcome, a failure too. When the one who
        runs it gives up, the next one tries.

        Raises:
            CasemateError: what ``attest`` raised.
        """
        seen = self._attempts
        if (passport := self._fresh()) is not None:
            return passport
        async with self._lock:
            dropped = self._last.passport is None and self._last.error is None
            if self._attempts == seen or dropped:
                await self._renew()
            if self._last.error is not None:
                raise self._last.error
            assert self._last.passport is not None
            return self._last.passport

    def drop(self, passport: Passport) -> None:
        """Forget ``passport``: a broker no longer takes it. A newer one stays."""
        if self._last.passport is passport:
            self._last = _Outcome()

    def _fresh(self) -> Passport | None:
        return self._last.passport if self._clock() < self._last.good_until else None

    async def _renew(self) -> None:
        asked = self._clock()
        try:
            passport = await self._attest()
        except CasemateError as error:
            self._last = _Outcome(error=error)
        else:
            margin = min(_MARGIN, passport.lifetime * _LARGEST_SHARE)
            self._last = _Outcome(passport, asked + passport.lifetime - margin)
        self._attempts += 1
