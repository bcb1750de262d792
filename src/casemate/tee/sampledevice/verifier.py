"""Verifier of the sample device: freshness only. Off unless a configuration turns it on."""

from base64 import b64encode
from typing import Final

from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence, parse_json
from casemate.tee.sample.report import SampleEvidence
from casemate.tee.sampledevice.report import DEVICE_CLASS, TEE
from casemate.tee.trail import Check, Topic, Trail, table

CHECKS: Final = table(
    Check(1, "shape", Topic.SHAPE, "two members, base64", "tee §2"),
    Check(2, "report data", Topic.FRESHNESS, "report data equals the session's", "tee §2"),
    Check(
        3,
        "init data",
        Topic.INIT_DATA,
        "none was presented: a device can bind none",
        "tee §1.2",
        ours=True,
    ),
)


def verify(
    raw: bytes, expected: Expectation, _inputs: Inputs, trail: Trail
) -> tuple[VerifiedEvidence, ...]:
    """Verify sample device evidence in the steps of CHECKS; VerificationError names the step."""
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
    with trail.step(3) as step:
        step.require(expected.init_data is None, "init data", expected.init_data, "none")
    return (
        VerifiedEvidence(
            tee=TEE,
            tee_class=DEVICE_CLASS,
            claims={
                "svn": evidence.svn,
                "report_data": b64encode(evidence.report_data).decode("ascii"),
            },
            report_data=evidence.report_data,
            init_data=None,
        ),
    )
