import json
from datetime import UTC, datetime

import pytest

from casemate.crypto.digest import sha256
from casemate.errors import HostError, VerificationError
from casemate.tee.attesters import detect
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.layouts import LAYOUTS
from casemate.tee.sample.attester import SampleAttester
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def verdict(evidence: bytes, expected: Expectation) -> VerifiedEvidence:
    (found,) = verify("sample", evidence, expected, Inputs(now=NOW))
    return found


def test_evidence_has_upstreams_form() -> None:
    assert json.loads(SampleAttester().evidence(b"nonce")) == {
        "svn": "1",
        "report_data": "bm9uY2U=",
    }


def test_claims_are_upstreams() -> None:
    digest = sha256(b"initdata")
    expected = Expectation(report_data=b"nonce", init_data=digest)
    found = verdict(SampleAttester().evidence(b"nonce"), expected)
    assert found.init_data == digest.value
    assert found.claims["platform_version"] == {"major": 1, "minor": 4}
    assert found.claims["launch_digest"] == "abcde"


@pytest.mark.check("sample", 2)
def test_stale_evidence_is_refused() -> None:
    with pytest.raises(VerificationError) as caught:
        verdict(SampleAttester().evidence(b"old"), Expectation(report_data=b"new"))
    assert caught.value.refusal.step == "sample.2 report data"


@pytest.mark.check("sample", 1)
@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"svn":1,"report_data":""}', b"\xff"])
def test_other_shapes_are_refused(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        verdict(raw, Expectation(report_data=b""))


def test_machine_without_a_tpm_gets_the_sample_attester() -> None:
    assert detect({"AA_TPM_DEVICE": "/nonexistent"}).tee == "sample"


def test_sample_tee_has_no_registers() -> None:
    with pytest.raises(HostError):
        SampleAttester().extend(14, bytes(32))


def test_simulated_evidence_is_accepted_and_says_what_was_set() -> None:
    made = SIMULATORS["sample"].make({"svn": "7", "report_data": "00ff"}, NOW)
    assert made.report_data == b"\0\xff"
    assert not made.roots
    found = verdict(made.evidence, Expectation(report_data=made.report_data))
    assert found.claims["svn"] == "7"
    with pytest.raises(VerificationError, match=r"sample\.2 report data"):
        verdict(made.evidence, Expectation(report_data=b"\0\xff\0"))


def test_kept_evidence_is_looked_at_without_freshness() -> None:
    trail = trail_of("sample")
    evidence = SampleAttester().evidence(b"nonce")
    verify("sample", evidence, Expectation(report_data=None), Inputs(now=NOW), trail)
    assert [one.result for one in trail.results] == [Result.PASSED, Result.SKIPPED]


def test_layout_shows_both_members() -> None:
    (section,) = LAYOUTS["sample"](SampleAttester().evidence(b"\xab\xcd"))
    assert [(one.name, one.value) for one in section.fields] == [
        ("svn", "1"),
        ("report_data", "abcd"),
    ]
