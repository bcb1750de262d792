"""Import what the guest imports; record each module, and each regular expression it compiles.

Run by the image's own Python, so it imports none of ours by itself, and nothing that compiles an
expression before it is watched. Standard input: three lines, of words: the output file, folders to
import from, modules to import. Output: marshalled, a pair: names of modules, sorted; ``(pattern,
flags)`` → what ``_sre.compile`` was given, in one order.
"""

import importlib
import marshal
import sys
from types import SimpleNamespace
from typing import Any


def record() -> int:
    """Import everything; give the exit status."""
    (output,), folders, modules = (line.split() for line in sys.stdin)
    sys.path[:0] = folders
    found = watch(importlib.import_module("re._compiler"))
    for module in modules:
        importlib.import_module(module)
    in_order = dict(sorted(found.items(), key=repr))
    with open(output, "wb") as file:  # noqa: PTH123  # pathlib is among what is recorded
        file.write(marshal.dumps((sorted(sys.modules), in_order), 2))
    return 0


def watch(compiler: Any) -> dict[tuple[Any, int], tuple[Any, ...]]:
    """Give what will hold every expression that is compiled from now on."""
    found: dict[tuple[Any, int], tuple[Any, ...]] = {}
    engine, compile_anew = compiler._sre, compiler.compile  # noqa: SLF001  # nothing else tells
    given: list[tuple[Any, ...]] = []

    def make(pattern: Any, flags: int, code: list[int], *rest: Any) -> Any:
        given.append((pattern, int(flags), list(map(int, code)), *rest))
        return engine.compile(pattern, flags, code, *rest)

    def compile_recorded(pattern: Any, flags: int = 0) -> Any:
        made = compile_anew(pattern, flags)
        found[pattern, int(flags)] = given.pop()
        return made

    compiler._sre = SimpleNamespace(**{**vars(engine), "compile": make})  # noqa: SLF001
    compiler.compile = compile_recorded
    return found


if __name__ == "__main__":
    sys.exit(record())
