import ast

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
