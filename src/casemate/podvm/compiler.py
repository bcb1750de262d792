"""Compile Python files to code objects; run by the image's own Python, so it imports none of ours.

Standard input: JSON list of [source file, name in tracebacks, keep assertions, output file].
Output: marshalled code, with nothing of the source's time or place.
"""

import ast
import json
import marshal
import sys
from pathlib import Path


def compile_all() -> int:
    """Compile every file named on standard input; give the exit status."""
    for source, name, assertions, output in json.load(sys.stdin):
        tree = ast.parse(Path(source).read_bytes(), name)
        drop_annotations(tree)
        if assertions:
            drop_docstrings(tree)
        code = compile(tree, name, "exec", dont_inherit=True, optimize=0 if assertions else 2)
        Path(output).write_bytes(marshal.dumps(code))
    return 0


def drop_docstrings(tree: ast.Module) -> None:
    """Drop docstrings, as ``python -OO`` does, where assertions must stay."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.copy_location(ast.Pass(), first)]


def drop_annotations(tree: ast.Module) -> None:
    """Drop the annotations of functions and modules, which Python would evaluate at each import.

    Those of classes stay: named tuples and msgspec's structures are made of them.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    tree.body = [_plain(node) for node in tree.body]


def _plain(node: ast.stmt) -> ast.stmt:
    if not isinstance(node, ast.AnnAssign):
        return node
    if node.value is None:
        return ast.copy_location(ast.Pass(), node)
    return ast.copy_location(ast.Assign([node.target], node.value), node)


if __name__ == "__main__":
    sys.exit(compile_all())
