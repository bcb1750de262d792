"""Simulated TDX and SGX evidence put before the real verifiers, changed as an attacker would."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import StepResult
from casemate.tee.verifiers import trail_of, verify

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def simulated(tee: str, /, **fields: str) -> Simulated:
    """Make evidence at NOW. Field names with a dot are given with ``__``."""
    return SIMULATORS[tee].make({k.replace("__", "."): v for k, v in fields.items()}, NOW)


def inputs_of(
    made: Simulated,
    *,
    now: datetime | None = None,
    trusted: bool = True,
    options: Options | None = None,
    memory: ChainMemory | None = None,
    extra: Mapping[str, bytes] | None = None,
) -> Inputs:
    """Give what a verifier of this evidence is given, beside the evidence."""
    return Inputs(
        now=now or made.now,
        anchors=Anchors.of_folder(made.roots) if trusted else Anchors(),
        collateral=Material.of_files({**made.collateral, **(extra or {})}),
        options=options or Options(),
        memory=memory,
    )


def expected_of(made: Simulated) -> Expectation:
    return Expectation(report_data=made.report_data, init_data=made.init_data)


def options(*texts: str, debug: bool = False, migration: bool = False) -> Options:
    return Options(allow_debug=debug, allow_migration=migration, own=parse(texts))


def verdict(
    made: Simulated,
    inputs: Inputs | None = None,
    *,
    evidence: bytes | None = None,
    expected: Expectation | None = None,
) -> VerifiedEvidence:
    """Verify it; everything right unless said otherwise."""
    (found,) = verify(
        made.tee,
        made.evidence if evidence is None else evidence,
        expected or expected_of(made),
        inputs or inputs_of(made),
    )
    return found


def claims_of(tee: str, chosen: Options | None = None, /, **fields: str) -> dict[str, Any]:
    """Verify a simulation and give its claims."""
    made = simulated(tee, **fields)
    return verdict(made, inputs_of(made, options=chosen)).claims


def refusal(
    made: Simulated,
    inputs: Inputs | None = None,
    *,
    evidence: bytes | None = None,
    expected: Expectation | None = None,
) -> str:
    """Give the step that refuses it, with what was said; fails when nothing does."""
    return refused(lambda: verdict(made, inputs, evidence=evidence, expected=expected))


def refused(verification: Callable[[], VerifiedEvidence]) -> str:
    """Give a refusal as ``step: claim: got …``."""
    try:
        found = verification()
    except VerificationError as error:
        return str(error.refusal)
    raise AssertionError(f"accepted: {found.claims}")


def refusal_of(tee: str, chosen: Options | None = None, /, **fields: str) -> str:
    """Make a simulation with these fields, and give what refuses it."""
    made = simulated(tee, **fields)
    return refusal(made, inputs_of(made, options=chosen))


def steps_of(made: Simulated, inputs: Inputs | None = None) -> tuple[StepResult, ...]:
    """Verify it and give every step."""
    trail = trail_of(made.tee)
    verify(made.tee, made.evidence, expected_of(made), inputs or inputs_of(made), trail)
    return trail.results


def evidence_around(tee: str, quote: bytes, log: bytes | None = None) -> bytes:
    """Write JSON of the wire around any bytes at all."""
    if tee == "sgx":
        return msgspec.json.encode({"quote": quote})
    return msgspec.json.encode({"cc_eventlog": log, "quote": quote})
