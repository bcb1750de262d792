"""docs/rows.md: every promise due is there, and whatever it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from casemate.stack.attacks import table
from tests.docs.commands import ROOT

PAGE = ROOT / "docs" / "rows.md"
DUE = """
A01-A11 A13 A14 B02-B06 B09 B11 C01-C08 D01-D04 D08 D12 E01-E07 E09 E14 E15 E17 E20 F01-F04
G01-G05 G08 G12 G13 H01-H06 H08-H11 I01-I03 I07 I12 J12 M05 Q01-Q06 Q09 Q10 Q13 R01-R04 R06 R08 S08
"""
STEPS = (ROOT / "src/casemate/stack/stage.py", ROOT / "src/casemate/stack/demo/play.py")
ROW = re.compile(r"^\| ([A-Z]\d\d) \| (.+) \| (.+) \|$", re.MULTILINE)
LINK = re.compile(r"\[[^]]+\]\([^)]+\)")


def due() -> set[str]:
    found = set()
    for part in DUE.split():
        first, _, last = part.partition("-")
        for number in range(int(first[1:]), int((last or first)[1:]) + 1):
            found.add(f"{first[0]}{number:02}")
    return found


ROWS = ROW.findall(PAGE.read_text())
NAMED = [(row, name) for row, _, shown in ROWS for name in re.findall(r"`([^`]+)`", shown)]


@cache
def functions(file: Path) -> frozenset[str]:
    """Tests of a file, without running it."""
    tree = ast.parse(file.read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


@cache
def steps() -> str:
    """Every text of the demo's modules: titles of its steps are among them."""
    trees = [ast.parse(file.read_text()) for file in STEPS]
    texts = [n.value for t in trees for n in ast.walk(t) if isinstance(n, ast.Constant)]
    return "\n".join(text for text in texts if isinstance(text, str))


def test_every_row_that_is_due_is_there_once() -> None:
    rows = [row for row, _, _ in ROWS]
    assert sorted(rows) == sorted(due())


def test_every_row_is_shown_by_something() -> None:
    bare = [row for row, _, shown in ROWS if "`" not in shown and not LINK.search(shown)]
    assert bare == []


@pytest.mark.parametrize(("row", "name"), NAMED, ids=[f"{row} {name}" for row, name in NAMED])
def test_what_a_row_names_exists(row: str, name: str) -> None:
    kind, _, rest = name.partition(" ")
    if kind == "attack":
        assert rest in {attack.name for attack in table.ATTACKS}
    elif kind == "demo":
        assert re.search(f"^{re.escape(rest)}", steps(), re.MULTILINE), row
    else:
        file, _, function = name.partition("::")
        assert function in functions(ROOT / file)


def test_readme_promises_two_commands() -> None:
    _, _, rest = (ROOT / "README.md").read_text().partition("## Two commands")
    block = re.search(r"```console\n(.*?)```", rest, re.DOTALL)
    assert block is not None
    commands = [line.split("#")[0].strip() for line in block[1].splitlines() if line.strip()]
    assert commands == ["make demo", "make test"]


def test_ci_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert re.search(r"^make check test\b", script, re.MULTILINE)
    assert re.search(r"^make demo$", script, re.MULTILINE)


def test_what_comes_later_says_where() -> None:
    _, _, rest = PAGE.read_text().partition("## Later, and where")
    promised = {row for row, _, shown in ROWS if "*later*" in shown}
    assert sorted(re.findall(r"\b[A-Z]\d\d\b", rest)) == sorted(promised)
