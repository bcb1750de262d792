"""A simulated SNP machine, and the verdict on what it sends."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.digest import Digest
from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def simulate(**fields: str) -> Simulated:
    return SIMULATORS["snp"].make(fields, NOW)


def inputs_of(made: Simulated, *options: str, **common: bool) -> Inputs:
    return Inputs(
        now=made.now,
        anchors=Anchors.of_folder(made.roots),
        collateral=Material.of_files(made.collateral),
        options=Options(own=parse([*made.options, *options]), **common),
    )


def expectation_of(made: Simulated) -> Expectation:
    return Expectation(report_data=made.report_data, init_data=made.init_data)


def verdict(
    raw: bytes, inputs: Inputs, expected: Expectation | None = None
) -> tuple[VerifiedEvidence, dict[str, str]]:
    """Give what was proved, and the result of each step."""
    trail = trail_of("snp")
    (found,) = verify("snp", raw, expected or Expectation(report_data=None), inputs, trail)
    return found, {f"{one.n} {one.name}": one.result.value for one in trail.results}


def accepted(made: Simulated, *options: str, **common: bool) -> VerifiedEvidence:
    """Give what both forms prove: the same."""
    inputs, expected = inputs_of(made, *options, **common), expectation_of(made)
    found, _ = verdict(made.evidence, inputs, expected)
    assert made.binary is not None
    again, _ = verdict(made.binary, inputs, expected)
    assert found.claims == again.claims
    return found


def skipped(made: Simulated, *options: str, **common: bool) -> set[str]:
    _, results = verdict(made.evidence, inputs_of(made, *options, **common), expectation_of(made))
    return {name for name, result in results.items() if result == Result.SKIPPED}


def refusal(
    raw: bytes | None, inputs: Inputs, expected: Expectation | None = None
) -> VerificationError:
    """Give the error that evidence was refused with."""
    assert raw is not None
    try:
        found, _ = verdict(raw, inputs, expected)
    except VerificationError as error:
        return error
    raise AssertionError(f"accepted: {found.claims}")


def step(raw: bytes | None, inputs: Inputs, expected: Expectation | None = None) -> str:
    return refusal(raw, inputs, expected).refusal.step


def refused_at(made: Simulated, *options: str, **common: bool) -> set[str]:
    """Give the steps at which each form was refused."""
    inputs, expected = inputs_of(made, *options, **common), expectation_of(made)
    return {step(raw, inputs, expected) for raw in (made.evidence, made.binary)}


def evidence_json(made: Simulated) -> Any:
    return msgspec.json.decode(made.evidence)


def vek_of(made: Simulated) -> Certificate:
    (found,) = (
        one
        for one in Material.of_files(made.collateral).certificates
        if one.common_name.endswith("EK")
    )
    return found


def digest(value: bytes) -> Digest:
    return Digest.parse(f"sha{len(value) * 8}:{value.hex()}")
