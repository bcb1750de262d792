"""What the vault does of its own accord; whole, with a Trustee and an agent: tests/stack."""

import asyncio
from typing import Any, cast

import pytest

from casemate.errors import CasemateError, HostError, PeerError, Refusal, VerificationError
from casemate.guest import vault
from casemate.guest.attestation.agent import AttestationAgent
from casemate.guest.attestation.rcar import Passport
from casemate.guest.hub import settings
from casemate.guest.hub.serve import Hub
from casemate.guest.hub.settings import HubSettings

ATTESTED = settings.parse("""
[kbc]
name = "cc_kbc"
url = "https://10.0.2.2:8080"
[image]
image_security_policy_uri = "kbs:///default/security-policy/demo"
""")
REFUSAL = Refusal(
    step="attest", claim="tpm", got="another kernel", expected="ours", rule="PCR 4", remedy=""
)


class Agent:
    """Asked for a passport, it raises what it was made with."""

    def __init__(self, error: CasemateError | None = None) -> None:
        self._error = error
        self.asked = 0

    async def passport(self) -> Passport:
        self.asked += 1
        if self._error is not None:
            raise self._error
        return cast("Passport", None)


class Fetching:
    """A hub that counts how often it was to fetch what its settings name."""

    def __init__(self) -> None:
        self.prepared = 0

    async def prepare(self) -> None:
        self.prepared += 1


async def _begin(agent: Agent, wanted: HubSettings, hub: Fetching) -> None:
    begun = vault._attest(cast("AttestationAgent", agent), wanted)
    attested: asyncio.Task[Any] = asyncio.create_task(begun)
    await vault._prepare(attested, cast("Hub", hub))


async def test_what_an_attested_guest_gets_is_fetched_once_it_is_attested() -> None:
    agent, hub = Agent(), Fetching()
    await _begin(agent, ATTESTED, hub)
    assert (agent.asked, hub.prepared) == (1, 1)


@pytest.mark.parametrize(
    "error",
    [
        VerificationError(REFUSAL),
        PeerError("key broker", got="nothing", want="an answer"),
        HostError("TPM", got="gone", want="a TPM"),
    ],
)
async def test_nothing_is_fetched_by_a_guest_that_was_refused_and_it_goes_on(
    error: CasemateError, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever pulls meets the refusal again, and is told."""
    agent, hub = Agent(error), Fetching()
    await _begin(agent, ATTESTED, hub)
    assert (agent.asked, hub.prepared) == (1, 0)
    assert "not attested yet" in caplog.text


async def test_a_guest_that_fetches_nothing_attests_to_nobody() -> None:
    agent, hub = Agent(), Fetching()
    await _begin(agent, HubSettings(), hub)
    assert (agent.asked, hub.prepared) == (0, 1)
