"""The attestation result: tiers, vectors, and reading one without trusting it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.crypto import base64url
from casemate.errors import InputError
from casemate.wire.token import Tier, TrustVector, appraisal, explain


def token(payload: object) -> str:
    parts = ({"alg": "ES256"}, payload)
    return ".".join([base64url.encode(json.dumps(p).encode()) for p in parts] + ["AA"])


def test_a_vector_is_as_good_as_its_worst_claim() -> None:
    assert TrustVector().status is Tier.NONE
    assert TrustVector(hardware=2).status is Tier.AFFIRMING
    assert TrustVector(hardware=2, executables=33).status is Tier.WARNING
    assert TrustVector(hardware=97, executables=33).status is Tier.CONTRAINDICATED


def test_a_policys_members_never_replace_the_verdict() -> None:
    made = appraisal(
        TrustVector(hardware=97),
        policy_id="default",
        evidence={},
        extensions={"ear.status": "affirming", "mine": 1},
    )
    assert made["ear.status"] == "contraindicated"
    assert made["mine"] == 1


def test_a_token_is_explained_with_its_reasons() -> None:
    reason = {"claim": "pcr11", "got": "a", "expected": "b", "rule": "c", "remedy": "d"}
    submod = {
        "ear.status": "warning",
        "ear.trustworthiness-vector": {"hardware": 32},
        "ear.casemate.reasons": [reason],
    }
    (verdict,) = explain(token({"submods": {"cpu0": submod}}))
    assert (verdict.name, verdict.status, verdict.vector) == ("cpu0", "warning", {"hardware": 32})
    assert verdict.reasons[0].claim == "pcr11"


@pytest.mark.parametrize("payload", [{}, [], {"submods": 1}, {"submods": {"cpu0": {}}}])
def test_other_tokens_are_refused(payload: object) -> None:
    with pytest.raises(InputError):
        explain(token(payload))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_raises_only_our_error(text: str) -> None:
    with pytest.raises(InputError):
        explain(text)
