import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.digest import sha256
from casemate.errors import PeerError, VerificationError
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.layouts import LAYOUTS
from casemate.tee.simulators import SIMULATORS
from casemate.tee.trail import Result
from casemate.tee.verifiers import trail_of, verify

NOW = datetime(2025, 6, 1, tzinfo=UTC)
MADE = SIMULATORS["sampledevice"].make({}, NOW)


def verdict(evidence: bytes, expected: Expectation) -> VerifiedEvidence:
    (found,) = verify("sampledevice", evidence, expected, Inputs(now=NOW))
    return found


def refused(evidence: bytes, expected: Expectation) -> str:
    with pytest.raises(VerificationError) as caught:
        verdict(evidence, expected)
    return caught.value.refusal.step


@pytest.mark.check("sampledevice", 1)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"svn":2,"report_data":""}',
        b'{"svn":"2","report_data":"!"}',
        b'{"svn":"2","report_data":"_-_-"}',
        b'{"svn":"2","report_data":"","more":1}',
        b"\xff",
        b"[" * 10_000,
        bytes(64 << 20),
    ],
    ids=range(10),
)
def test_other_shapes_are_refused(raw: bytes) -> None:
    assert refused(raw, Expectation(report_data=b"")) == "sampledevice.1 shape"


@pytest.mark.check("sampledevice", 2)
@pytest.mark.parametrize("data", [b"", MADE.report_data[:-1], MADE.report_data + b"\0"])
def test_stale_evidence_is_refused(data: bytes) -> None:
    step = refused(MADE.evidence, Expectation(report_data=data))
    assert step == "sampledevice.2 report data"


@pytest.mark.check("sampledevice", 3)
def test_init_data_that_no_device_binds_is_refused() -> None:
    expected = Expectation(report_data=MADE.report_data, init_data=sha256(b"initdata"))
    assert refused(MADE.evidence, expected) == "sampledevice.3 init data"


def test_claims_are_upstreams_and_the_class_is_a_gpus() -> None:
    made = SIMULATORS["sampledevice"].make({"report_data": "6e6f6e6365"}, NOW)
    assert json.loads(made.evidence) == {"svn": "2", "report_data": "bm9uY2U="}
    found = verdict(made.evidence, Expectation(report_data=b"nonce"))
    assert found.claims == {"svn": "2", "report_data": "bm9uY2U="}
    assert found.tee_class == "gpu"
    assert found.init_data is None


def test_freshness_is_skipped_only_when_nothing_was_expected() -> None:
    trail = trail_of("sampledevice")
    verify("sampledevice", MADE.evidence, Expectation(report_data=None), Inputs(now=NOW), trail)
    assert [one.result for one in trail.results] == [Result.PASSED, Result.SKIPPED, Result.PASSED]


def test_it_is_shown_as_it_is() -> None:
    (section,) = LAYOUTS["sampledevice"](MADE.evidence)
    assert [field.value for field in section.fields] == ["2", MADE.report_data.hex()]


@given(st.binary(max_size=100))
def test_any_bytes_raise_only_our_errors(data: bytes) -> None:
    refused(data, Expectation(report_data=b"nonce"))
    with pytest.raises(PeerError):
        LAYOUTS["sampledevice"](data)
