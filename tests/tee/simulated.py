"""Verify what a simulator made, as an operator with its test root configured would."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def simulated(tee: str, **given: str) -> Simulated:
    """Fields in Python's spelling: ``report__policy`` is ``report.policy``."""
    fields = {name.replace("__", "."): value for name, value in given.items()}
    return SIMULATORS[tee].make(fields, NOW)


def inputs_of(
    one: Simulated, options: Options | None = None, memory: ChainMemory | None = None
) -> Inputs:
    return Inputs(
        now=one.now,
        anchors=Anchors.of_folder(one.roots),
        collateral=Material.of_files(one.collateral),
        options=options or Options(own=parse(one.options)),
        memory=memory,
    )


def expected_of(one: Simulated) -> Expectation:
    return Expectation(report_data=one.report_data, init_data=one.init_data)


def verdicts(
    one: Simulated,
    evidence: bytes | None = None,
    inputs: Inputs | None = None,
    expected: Expectation | None = None,
) -> tuple[VerifiedEvidence, ...]:
    return verify(
        one.tee,
        one.evidence if evidence is None else evidence,
        expected or expected_of(one),
        inputs or inputs_of(one),
    )


def refused_at(
    one: Simulated,
    evidence: bytes | None = None,
    inputs: Inputs | None = None,
    expected: Expectation | None = None,
) -> str:
    """Give the refusing step, without the TEE's name: ``7 signature``."""
    with pytest.raises(VerificationError) as caught:
        verdicts(one, evidence, inputs, expected)
    return caught.value.refusal.step.removeprefix(f"{one.tee}.")


def results(
    one: Simulated, inputs: Inputs | None = None, expected: Expectation | None = None
) -> Mapping[int, Result]:
    trail = trail_of(one.tee)
    verify(one.tee, one.evidence, expected or expected_of(one), inputs or inputs_of(one), trail)
    return {step.n: step.result for step in trail.results}


def changed(document: Any, path: str, value: Any) -> Any:
    """Give a copy of JSON with one member, named by a path such as ``a.b.0``, replaced."""
    head, _, rest = path.partition(".")
    copy = list(document) if isinstance(document, list) else dict(document)
    key: Any = int(head) if isinstance(copy, list) else head
    copy[key] = changed(copy[key], rest, value) if rest else value
    return copy


def paths(document: Any, prefix: str = "", most: int = 40) -> list[str]:
    """Every member's path; of long arrays only the array itself."""
    found = []
    if isinstance(document, dict):
        items = list(document.items())
    elif (
        isinstance(document, list)
        and len(document) < most
        and any(isinstance(one, dict) for one in document)
    ):
        items = [(str(index), one) for index, one in enumerate(document)]
    else:
        return []
    for name, value in items:
        path = f"{prefix}.{name}" if prefix else name
        found += [path, *paths(value, path)]
    return found
