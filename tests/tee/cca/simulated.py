"""Simulated realms, and what becomes of them."""

from datetime import UTC, datetime

import msgspec

from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.options import Options
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Trail
from casemate.tee.verifiers import trail_of, verify

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def make(**fields: str) -> Simulated:
    return SIMULATORS["cca"].make(fields, NOW)


def inputs_of(made: Simulated, options: Options | None = None) -> Inputs:
    return Inputs(now=NOW, anchors=Anchors.of_folder(made.roots), options=options or Options())


def claims_of(
    made: Simulated, inputs: Inputs | None = None, trail: Trail | None = None
) -> VerifiedEvidence:
    expected = Expectation(report_data=made.report_data, init_data=made.init_data)
    (found,) = verify("cca", made.evidence, expected, inputs or inputs_of(made), trail)
    return found


def refused_at(made: Simulated, inputs: Inputs | None = None) -> int:
    """Give the number of the step that refuses; 0 when none does."""
    trail = trail_of("cca")
    try:
        claims_of(made, inputs, trail)
    except VerificationError as error:
        number = int(error.refusal.step.removeprefix("cca.").split()[0])
        assert [one.n for one in trail.results][-1] == number
        return number
    return 0


def with_token(made: Simulated, token: bytes) -> Simulated:
    return msgspec.structs.replace(
        made, evidence=msgspec.json.encode({"token": list(token)}), binary=token
    )
