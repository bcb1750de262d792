"""Simulated evidence of either Azure TEE (or of a bare TPM), and what its verifier makes of it."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.verifiers import verify

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCEPTED = "accepted"


def make(tee: str, fields: Mapping[str, str]) -> Simulated:
    return SIMULATORS[tee].make(fields, NOW)


def inputs(made: Simulated, *options: str, roots: bool = True, **switches: bool) -> Inputs:
    return Inputs(
        now=made.now,
        anchors=Anchors.of_folder(made.roots) if roots else Anchors(),
        collateral=Material.of_files(made.collateral),
        options=Options(own=parse((*made.options, *options)), **switches),
    )


def verdict(
    made: Simulated, *options: str, evidence: bytes | None = None, **switches: bool
) -> VerifiedEvidence:
    expected = Expectation(report_data=made.report_data, init_data=made.init_data)
    raw = made.evidence if evidence is None else evidence
    (found,) = verify(made.tee, raw, expected, inputs(made, *options, **switches))
    return found


def outcome(made: Simulated, *options: str, evidence: bytes | None = None, **switches: bool) -> str:
    """Give the name of the step that refused, or ``ACCEPTED``."""
    try:
        verdict(made, *options, evidence=evidence, **switches)
    except VerificationError as error:
        return name_of(error)
    return ACCEPTED


def refused_at(
    made: Simulated, *options: str, evidence: bytes | None = None, **switches: bool
) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(made, *options, evidence=evidence, **switches)
    return name_of(caught.value)


def name_of(error: VerificationError) -> str:
    return error.refusal.step.split(" ", 1)[1]
