from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casemate.errors import InputError
from casemate.guest.agent.json_patch import apply


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        ({}, [{"op": "add", "path": "/a", "value": 1}], {"a": 1}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"a/b": 1}, [{"op": "replace", "path": "/a~1b", "value": 2}], {"a/b": 2}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {}}], {}),
    ],
)
def test_operations_do_what_the_rfc_says(document: Any, operations: Any, expected: Any) -> None:
    assert apply(document, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/none"},
        {"op": "replace", "path": "/l/9", "value": 1},
        {"op": "add", "path": "/l/-1", "value": 1},
        {"op": "test", "path": "/a", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"path": "/a"},
        "add",
    ],
)
def test_wrong_operations_are_refused_and_change_nothing(operation: Any) -> None:
    document = {"a": 1, "l": [1]}
    with pytest.raises(InputError):
        apply(document, [{"op": "add", "path": "/b", "value": 2}, operation])
    assert document == {"a": 1, "l": [1]}


@settings(max_examples=100)
@given(
    st.sampled_from(["add", "remove", "replace", "move"]),
    st.text(alphabet="/ab01-~", max_size=8),
    st.none() | st.integers() | st.lists(st.integers(), max_size=2),
)
def test_any_operation_raises_only_our_error(op: str, path: str, value: Any) -> None:
    try:
        apply({"a": {"b": [1, {"a": 0}]}}, [{"op": op, "path": path, "value": value}])
    except InputError:
        return
