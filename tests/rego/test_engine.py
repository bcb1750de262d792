"""The one door to Rego: compile, evaluate, and what becomes of bad policies and bad input."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.rego.engine import Policy, Undefined

_POLICY = """
package policy
import rego.v1
default allow := false
allow if { input.user in data.users; print("let in", input.user) }
level := 3 if input.level
ratio := 0.5
"""

_AGENT_POLICY = """
package agent_policy
import future.keywords.in
default ExecProcessRequest := false
CreateContainerRequest { some k, _ in input.labels; k == "app"; print("label", k) }
"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.compile(_POLICY, name="test.rego", data={"users": ["ann"]})


def test_a_rule_gives_its_value(policy: Policy) -> None:
    assert policy.evaluate("data.policy.allow", {"user": "ann"}) is True
    assert policy.evaluate("data.policy.allow", {"user": "bob"}) is False
    assert policy.evaluate("data.policy.ratio", {}) == 0.5


def test_integers_stay_integers(policy: Policy) -> None:
    assert isinstance(policy.evaluate("data.policy.level", {"level": 1}), int)


def test_absent_and_valueless_rules_are_told_apart(policy: Policy) -> None:
    assert policy.evaluate("data.policy.nosuch", {}) is Undefined.ABSENT
    assert policy.evaluate("data.policy.level", {}) is Undefined.VALUELESS


def test_evaluations_do_not_see_each_other(policy: Policy) -> None:
    assert policy.evaluate("data.policy.allow", {"user": "ann"}) is True
    assert policy.evaluate("data.policy.allow", {}) is False
    wider = policy.with_data({"more": 1})
    assert wider.evaluate("data.policy.allow", {"user": "ann"}) is True


def test_prints_are_given_with_the_value(policy: Policy) -> None:
    traced = policy.trace("data.policy.allow", {"user": "ann"})
    assert any("let in ann" in line for line in traced.prints)


def test_kata_agent_policies_in_the_old_syntax_compile() -> None:
    agent = Policy.compile(_AGENT_POLICY, name="agent.rego", v0=True)
    assert agent.evaluate("data.agent_policy.ExecProcessRequest", {}) is False
    request = {"labels": {"app": "x"}}
    assert agent.evaluate("data.agent_policy.CreateContainerRequest", request) is True
    refused = agent.evaluate("data.agent_policy.CreateContainerRequest", {})
    assert refused is Undefined.VALUELESS


def test_a_prelude_gives_functions_over_data() -> None:
    compiled = Policy.compile(
        "package policy\nimport rego.v1\nallow if input.x in lookup(input.n)",
        name="p.rego",
        preludes=[
            (
                "prelude.rego",
                "package policy\nimport rego.v1\nlookup(n) := object.get(data.rv, n, null)",
            )
        ],
        data={"rv": {"a": [1, 2]}},
    )
    assert compiled.evaluate("data.policy.allow", {"x": 2, "n": "a"}) is True
    unknown = compiled.evaluate("data.policy.allow", {"x": 2, "n": "b"})
    assert unknown is Undefined.VALUELESS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "package policy\nfoo bar",
        'package policy\nimport rego.v1\na := "x',
    ],
)
def test_a_policy_that_does_not_compile_names_itself(text: str) -> None:
    with pytest.raises(InputError, match=r"bad\.rego"):
        Policy.compile(text, name="bad.rego")


@pytest.mark.parametrize("opening", ["[", "{", '{"a": '])
def test_a_deep_policy_is_refused_at_once(opening: str) -> None:
    with pytest.raises(InputError, match="nested"):
        Policy.compile(f"package policy\na := {opening * 30}", name="deep.rego")


def test_several_rules_of_one_input(policy: Policy) -> None:
    rules = ["data.policy.allow", "data.policy.nosuch", "data.policy.level"]
    values = policy.evaluate_all(rules, {"user": "ann"})
    assert values == (True, Undefined.ABSENT, Undefined.VALUELESS)


def test_a_huge_policy_is_refused() -> None:
    with pytest.raises(InputError, match="characters"):
        Policy.compile("package p\n" + "#" * (4 << 20), name="huge.rego")


def test_a_function_that_is_not_there_is_an_error_not_an_answer() -> None:
    policy = Policy.compile("package policy\nimport rego.v1\na := nosuch(1)", name="p.rego")
    with pytest.raises(InputError, match="nosuch"):
        policy.evaluate("data.policy.a", {})


def test_conflicting_values_are_an_error_not_an_answer() -> None:
    text = "package policy\nimport rego.v1\na := 1 if input.x\na := 2 if input.y"
    conflicting = Policy.compile(text, name="c.rego")
    with pytest.raises(InputError):
        conflicting.evaluate("data.policy.a", {"x": True, "y": True})


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_any_text_as_a_policy_raises_only_our_error(text: str) -> None:
    try:
        Policy.compile(f"package policy\n{text}", name="any.rego")
    except InputError:
        return


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.text(max_size=20))
def test_any_input_raises_only_our_error(data: bytes, rule: str) -> None:
    policy = Policy.compile("package policy\nallow := true", name="any.rego")
    try:
        policy.evaluate(rule, data)
    except InputError:
        return


def test_missing_rule_costs_no_backtrace_whatever_the_environment_says() -> None:
    code = (
        "from casemate.rego.engine import Policy\n"
        "engine = Policy.compile('package p\\nallow := true', name='p')._engine\n"
        "engine.set_input_json('{}')\n"
        "try:\n"
        "    engine.eval_rule_as_json('data.p.missing')\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "RUST_BACKTRACE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "not a valid rule path"
