import asyncio

import pytest

from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import PeerError
from casemate.guest.attestation.passports import Passports
from casemate.guest.attestation.rcar import Passport

KEY = PrivateKey.generate(Kind.P256)


class Office:
    """Attests slowly, with a clock that the test turns."""

    def __init__(self, lifetime: float = 300) -> None:
        self.lifetime = lifetime
        self.now = 0.0
        self.attempts = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False

    async def attest(self) -> Passport:
        self.attempts += 1
        number = self.attempts
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.fails:
            raise PeerError("broker", got="nothing", want="an answer")
        return Passport(f"token {number}", KEY, self.lifetime)

    def passports(self) -> Passports:
        return Passports(self.attest, clock=lambda: self.now)


async def test_many_callers_cost_one_attestation() -> None:
    office = Office()
    passports = office.passports()
    found = await asyncio.gather(*(passports.get() for _ in range(20)))
    assert office.attempts == 1
    assert len({passport.token for passport in found}) == 1


async def test_token_is_renewed_shortly_before_it_ends() -> None:
    office = Office(lifetime=300)
    passports = office.passports()
    await passports.get()
    office.now = 269
    assert (await passports.get()).token == "token 1"
    office.now = 271
    assert (await passports.get()).token == "token 2"


async def test_short_token_is_kept_for_most_of_its_life() -> None:
    office = Office(lifetime=10)
    passports = office.passports()
    await passports.get()
    office.now = 7.9
    await passports.get()
    assert office.attempts == 1
    office.now = 8.1
    await passports.get()
    assert office.attempts == 2


async def test_token_without_a_life_is_given_once_but_not_kept() -> None:
    office = Office(lifetime=0)
    passports = office.passports()
    assert (await passports.get()).token == "token 1"
    assert (await passports.get()).token == "token 2"


async def test_failure_is_shared_by_those_who_waited_and_not_kept() -> None:
    office = Office()
    office.fails = True
    passports = office.passports()
    found = await asyncio.gather(*(passports.get() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(error, PeerError) for error in found)
    assert office.attempts == 1
    office.fails = False
    assert (await passports.get()).token == "token 2"


async def test_caller_who_gives_up_does_not_take_the_others_along() -> None:
    office = Office()
    office.gate.clear()
    passports = office.passports()
    first = asyncio.ensure_future(passports.get())
    second = asyncio.ensure_future(passports.get())
    await asyncio.sleep(0)
    first.cancel()
    office.gate.set()
    assert (await second).token == "token 2"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_dropped_passport_is_not_given_again_but_a_newer_one_stays() -> None:
    office = Office()
    passports = office.passports()
    first = await passports.get()
    passports.drop(first)
    second = await passports.get()
    passports.drop(first)
    assert await passports.get() is second
    assert office.attempts == 2
