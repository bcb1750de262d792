import ast
from typing import Any

from casemate.podvm import compiler

TEXT = '''"""Module."""
from __future__ import annotations
class A:
    """Only words."""
def f(x: int) -> int:
    """Words."""
    assert x, "kept"
    return x
"later"
'''


def test_docstrings_go_and_assertions_stay() -> None:
    tree = ast.parse(TEXT)
    compiler.drop_docstrings(tree)
    code = compile(tree, "m", "exec", dont_inherit=True, optimize=0)
    names: dict[str, object] = {}
    exec(code, names)
    assert names.get("__doc__") is None
    text = ast.unparse(tree)
    assert "Words" not in text
    assert "Only words" not in text
    assert "'kept'" in text


ANNOTATED = """
import typing
LIMIT: typing.Final = 3
LATER: nowhere.Type
class Row(typing.NamedTuple):
    size: int = 1
def f(x: nowhere.Type, *rest: nowhere.Type, k: nowhere.Type = LIMIT) -> nowhere.Type:
    y: nowhere.Type = k
    return y
async def g(x: nowhere.Type) -> nowhere.Type:
    return lambda z: z
"""


def test_annotations_go_but_those_that_classes_are_made_of() -> None:
    tree = ast.parse(ANNOTATED)
    compiler.drop_annotations(tree)
    names: dict[str, Any] = {}
    exec(compile(tree, "m", "exec", dont_inherit=True), names)
    assert names["f"](1) == names["LIMIT"] == 3
    assert names["f"].__annotations__ == names["g"].__annotations__ == {}
    assert "LATER" not in names
    assert "__annotations__" not in names
    assert names["Row"]._fields == ("size",)
