"""Which of our own modules go into the image: the import closure of the guest's init."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from casemate.errors import InputError

_PACKAGE: Final = "casemate"
_MODULE_NAME: Final = re.compile(r"casemate(\.\w+)+")


def closure(source: Path, entry: str, *, forbidden: Sequence[str]) -> dict[str, Path]:
    """Find every module of ours that ``entry`` can come to import, late imports included.

    A module named by a string (a table of lazily loaded ones) counts as imported.

    Args:
        source: folder that holds the package ``casemate``.
        entry: dotted name to start from.
        forbidden: rooms that may not be reached.

    Returns:
        Path inside the image's site folder → file.

    Raises:
        InputError: there is no such entry, or a forbidden room is reached.
    """
    found: dict[str, Path] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        file = _file(source, name)
        if file is None or name in found:
            continue
        _require_allowed(name, forbidden)
        found[name] = file
        waiting += [*_parents(name), *_imports(file)]
    if entry not in found:
        raise InputError("guest code", got=f"no module {entry}", want="the guest's init")
    return {str(file.relative_to(source)): file for _, file in sorted(found.items())}


def _file(source: Path, name: str) -> Path | None:
    path = source.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _require_allowed(name: str, forbidden: Sequence[str]) -> None:
    for room in forbidden:
        if name == room or name.startswith(room + "."):
            raise InputError(
                "guest code",
                got=f"an import of {name}",
                want="only what the guest needs",
                remedy="Move what is shared to a library room.",
            )


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if _ours(name.name))
            case ast.ImportFrom(module=str(module), names=names, level=0) if _ours(module):
                yield module
                yield from (f"{module}.{name.name}" for name in names)
            case ast.Constant(value=str(text)) if _MODULE_NAME.fullmatch(text):
                yield text


def _ours(name: str) -> bool:
    return name.partition(".")[0] == _PACKAGE
