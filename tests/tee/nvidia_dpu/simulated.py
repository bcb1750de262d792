"""Simulated DPUs, and what becomes of their evidence."""

from datetime import UTC, datetime

from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.material import Material
from casemate.tee.options import Options
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Trail
from casemate.tee.verifiers import trail_of, verify

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def make(**fields: str) -> Simulated:
    return SIMULATORS["nvidia-dpu"].make(fields, NOW)


def inputs_of(made: Simulated, **own: str) -> Inputs:
    return Inputs(
        now=NOW,
        anchors=Anchors.of_folder(made.roots),
        collateral=Material.of_files(made.collateral),
        options=Options(own={"nvidia-dpu": own}),
    )


def claims_of(
    made: Simulated, inputs: Inputs | None = None, trail: Trail | None = None
) -> VerifiedEvidence:
    expected = Expectation(report_data=made.report_data)
    (found,) = verify("nvidia-dpu", made.evidence, expected, inputs or inputs_of(made), trail)
    return found


def refused_at(made: Simulated, inputs: Inputs | None = None) -> int:
    """Give the number of the step that refuses; 0 when none does."""
    trail = trail_of("nvidia-dpu")
    try:
        claims_of(made, inputs, trail)
    except VerificationError as error:
        return int(error.refusal.step.removeprefix("nvidia-dpu.").split()[0])
    return 0
