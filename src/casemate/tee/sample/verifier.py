"""Verifier of the sample TEE: freshness only. Off unless a configuration turns it on."""

from base64 import b64encode
from typing import Final

from casemate.tee.evidence import CPU, Expectation, Inputs, VerifiedEvidence, parse_json
from casemate.tee.sample.report import TEE, SampleEvidence
from casemate.tee.trail import Check, Topic, Trail, table

CHECKS: Final = table(
    Check(1, "shape", Topic.SHAPE, "two members, base64", "tee §2"),
    Check(2, "report data", Topic.FRESHNESS, "report data equals the session's", "tee §2"),
)


def verify(
    raw: bytes, expected: Expectation, _inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify sample evidence in the steps of CHECKS; VerificationError names the step."""
    with trail.step(1) as step:
        evidence = parse_json(raw, SampleEvidence, TEE)
        step.detail = f"svn {evidence.svn}"
    if expected.report_data is None:
        trail.skip(2, "no report data was expected")
    else:
        with trail.step(2) as step:
            step.require_equal(
                "report_data",
                evidence.report_data,
                expected.report_data,
                remedy="evidence serves only the session whose nonce and key it was made for",
            )
    init_data = expected.init_data.value if expected.init_data else None
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=CPU,
            claims={
                "svn": evidence.svn,
                "report_data": _base64(evidence.report_data),
                "init_data": _base64(init_data or b""),
                "launch_digest": "abcde",
                "platform_version": {"major": 1, "minor": 4},
                "debug": False,
            },
            report_data=evidence.report_data,
            init_data=init_data,
        ),
    )


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
