"""Verifier of the sample TEE: freshness only. Off unless a configuration turns it on."""

import hmac
from base64 import b64encode
from datetime import datetime

from casemate.tee.evidence import (
    CPU,
    Anchors,
    Expectation,
    VerifiedEvidence,
    parse_json,
    refusal,
)
from casemate.tee.sample.report import TEE, SampleEvidence


def verify(
    raw: bytes, expected: Expectation, _anchors: Anchors, _now: datetime
) -> VerifiedEvidence:
    """Verify sample evidence: (1) shape, (2) report data.

    Raises:
        VerificationError: with the number of the step.
    """
    evidence = parse_json(raw, SampleEvidence, TEE)
    if not hmac.compare_digest(evidence.report_data, expected.report_data):
        raise refusal(
            "sample.2 report data",
            claim="report_data",
            got=evidence.report_data.hex(),
            expected=expected.report_data.hex(),
            rule="freshness",
            remedy="evidence serves only the session whose nonce and key it was made for",
        )
    init_data = expected.init_data.value if expected.init_data else None
    return VerifiedEvidence(
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
    )


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
