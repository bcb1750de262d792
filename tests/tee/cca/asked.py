"""Realms that a simulated Veraison service is asked about, and what becomes of them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from casemate.errors import Refusal, VerificationError
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.gathering.asker import Limits, Time
from casemate.tee.gathering.cache import Cache
from casemate.tee.gathering.gatherer import Gathered, Gatherer
from casemate.tee.gathering.talker import Talker
from casemate.tee.options import Options
from casemate.tee.simulation import Simulated
from casemate.tee.trail import StepResult
from casemate.tee.verifiers import trail_of, verify
from tests.sim.veraison import Veraison
from tests.tee.cca.simulated import NOW
from tests.tee.gathering.test_fetcher import Time as FakeTime


class Outcome(NamedTuple):
    gathered: Gathered
    steps: tuple[StepResult, ...]
    found: VerifiedEvidence | None = None
    refusal: Refusal | None = None

    @property
    def step(self) -> int:
        """Number of the step that refused; 0 when none did."""
        if self.refusal is None:
            return 0
        return int(self.refusal.step.removeprefix("cca.").split()[0])


def service_for(made: Simulated, **fields: object) -> Veraison:
    """Give a service that knows this realm and its platform."""
    return Veraison(made.roots, clock=NOW.timestamp, **fields)  # type: ignore[arg-type]


def options_for(service: Veraison, **own: str) -> Options:
    values = {"address": service.url, "ca_cert": service.anchors_pem, **own}
    return Options(own={"cca": {name: value for name, value in values.items() if value}})


def gatherer(time: FakeTime, *, attempt: float = 5.0, longest: float = 20.0) -> Gatherer:
    talker = Talker(
        limits=Limits(attempt=attempt),
        time=Time(time.clock, time.wall, time.sleep, lambda: 0.0),
    )
    return Gatherer(
        Cache(Path("/nonexistent")), None, clock=NOW.timestamp, talker=talker, longest=longest
    )


async def outcome(
    service: Veraison,
    made: Simulated,
    *,
    expected: Expectation | None = None,
    before: Callable[[], None] | None = None,
    attempt: float = 5.0,
    longest: float = 20.0,
    allow_debug: bool = False,
    **own: str,
) -> Outcome:
    """Ask the service as a Trustee would, then verify; ``before`` runs once it listens."""
    async with service.running():
        if before is not None:
            before()
        options = msgspec.structs.replace(options_for(service, **own), allow_debug=allow_debug)
        inputs = Inputs(now=NOW, options=options)
        gathering = gatherer(FakeTime(), attempt=attempt, longest=longest)
        try:
            gathered = await gathering.gather("cca", made.evidence, inputs)
        finally:
            await gathering.close()
    inputs = msgspec.structs.replace(inputs, answer=gathered.answer)
    trail = trail_of("cca")
    wanted = expected or Expectation(report_data=made.report_data, init_data=made.init_data)
    found, refusal = None, None
    try:
        (found,) = verify("cca", made.evidence, wanted, inputs, trail)
    except VerificationError as error:
        refusal = error.refusal
    return Outcome(gathered, trail.results, found, refusal)
