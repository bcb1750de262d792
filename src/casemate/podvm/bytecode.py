"""Byte code of everything in Python that the image holds, made by the image's own interpreter.

Compiling under emulation would cost more than anything else at start-up, so no source is shipped
at all. The image's interpreter (not this one) compiles, in one fresh process and in one order: the
result depends on the fetched packages alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from casemate.linux import program
from casemate.podvm import compiler

_PATIENCE: Final = 300.0
_OPTIONS: Final = ("-I", "-S", "-B", "-X", "no_debug_ranges")
"""Alone with the standard library; lines without columns, which are a fifth of all byte code."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module to compile. Docstrings are dropped, assertions only where ``assertions`` is off."""

    source: bytes
    assertions: bool


def compile_modules(
    modules: Mapping[str, Module], *, packages: Path, work: Path
) -> dict[str, bytes]:
    """Compile ``modules`` (path in the image ending in ``.py`` → module).

    Args:
        modules: sources.
        packages: folder with Debian's packages unpacked, the interpreter among them.
        work: folder for temporary files.

    Returns:
        The same paths → marshalled code.

    Raises:
        HostError: the interpreter cannot run, or a module has a syntax error.
    """
    work.mkdir()
    jobs = []
    outputs = {}
    for number, (path, module) in enumerate(sorted(modules.items())):
        source, output = work / f"{number}.py", work / f"{number}.code"
        source.write_bytes(module.source)
        jobs.append((str(source), "/" + path, module.assertions, str(output)))
        outputs[path] = output
    program.run(
        [*foreign(packages, "usr/bin/python3.11"), *_OPTIONS, compiler.__file__],
        input=msgspec.json.encode(jobs),
        timeout=_PATIENCE,
    )
    return {path: output.read_bytes() for path, output in outputs.items()}


def foreign(packages: Path, program: str) -> list[str | Path]:
    """The beginning of a command that runs a program of the unpacked packages, uninstalled.

    It runs with the loader and libraries it was packaged with, not with this machine's.
    """
    libraries = [packages / "lib/x86_64-linux-gnu", packages / "usr/lib/x86_64-linux-gnu"]
    return [
        packages / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "--library-path",
        ":".join(map(str, libraries)),
        packages / program,
    ]
