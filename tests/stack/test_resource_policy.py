from typing import Any

import pytest

from casemate.rego.engine import Policy
from casemate.stack.owner import documents
from casemate.tee.vtpm.report import init_data_register
from casemate.wire import initdata

DOCUMENT = initdata.build({"aa.toml": "x"})
ASKED = {"plugin": "resource", "resource-path": ["default", "a", "b"], "query": {}}
REASON = {"claim": "pcr11", "got": "a", "expected": "b", "rule": "default_cpu: x", "remedy": ""}


def token(**changes: Any) -> dict[str, Any]:
    evidence = {"pcr08": init_data_register(DOCUMENT.digest).hex(), "ak_certified": True}
    vector = {"hardware": 32, "executables": 3, "configuration": 2}
    vector |= changes.pop("vector", {})
    submod = {
        "ear.status": "warning",
        "ear.trustworthiness-vector": vector,
        "ear.veraison.annotated-evidence": {"tpm": evidence | changes},
        "ear.casemate.reasons": [REASON],
    }
    return {"submods": {"cpu0": submod}}


@pytest.fixture(scope="module")
def policy() -> Policy:
    text = documents.resource_policy(DOCUMENT)
    return Policy.compile(text, name="resource.rego", data=ASKED)


def test_pod_as_the_owner_wants_it_is_served(policy: Policy) -> None:
    assert policy.evaluate("data.policy.allow", token()) is True


def test_pod_with_other_initdata_is_told_so(policy: Policy) -> None:
    refused = token(pcr08="0" * 64)
    assert policy.evaluate("data.policy.allow", refused) is False
    (reason,) = policy.evaluate("data.policy.reasons", refused)
    assert "initdata" in reason["claim"]


def test_pod_with_other_software_gets_the_reason_of_the_verdict(policy: Policy) -> None:
    refused = token(vector={"executables": 33})
    assert policy.evaluate("data.policy.allow", refused) is False
    assert policy.evaluate("data.policy.reasons", refused) == [REASON]


def test_uncertified_tpm_gets_nothing(policy: Policy) -> None:
    assert policy.evaluate("data.policy.allow", token(ak_certified=False)) is False


def test_other_tee_gets_nothing_and_a_reason(policy: Policy) -> None:
    submod = {
        "ear.status": "affirming",
        "ear.trustworthiness-vector": {"hardware": 2, "executables": 3, "configuration": 2},
        "ear.veraison.annotated-evidence": {"sample": {"svn": "1"}},
    }
    document = {"submods": {"cpu0": submod}}
    assert policy.evaluate("data.policy.allow", document) is False
    (reason,) = policy.evaluate("data.policy.reasons", document)
    assert reason["claim"] == "TEE type"


@pytest.mark.parametrize("document", [{}, {"submods": {}}, {"submods": {"cpu0": {}}}])
def test_empty_verdict_gets_nothing(policy: Policy, document: dict[str, Any]) -> None:
    assert policy.evaluate("data.policy.allow", document) is False
