"""How Python starts in the pod VM: every module out of one file, found by name.

Under emulation, looking for a module in folders costs as much as running it. So the image holds
all byte code in one bundle with an index: a module is one look-up and one read. Compiled into the
image as ``casemate_start``; imports nothing that is not built into the interpreter.

Bundle: 8 bytes, little-endian: size of the index; the index (marshal: name → offset from the
index's end, size, whether it is a package, path in tracebacks); code objects (marshal). One entry
is no module: regular expressions, compiled when the image was built (podvm/patterns.py).
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_Spec: type[ModuleSpec] = type(sys.__spec__)
_SIZE_FIELD = 8
_PATTERNS = ""
"""Name of the entry with the regular expressions."""
_COMPILER = "re._compiler"


class Bundle:
    """Finds and loads the modules of a bundle; the bundle is part of the measured image."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        size = int.from_bytes(os.pread(self._file, _SIZE_FIELD, 0), "little")
        self._index = marshal.loads(os.pread(self._file, size, _SIZE_FIELD))  # noqa: S302  # ours
        self._start = _SIZE_FIELD + size

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Say where a module comes from; None leaves it to Python's own finders."""
        del path, target
        entry = self._index.get(name)
        if entry is None:
            return None
        loader: Any = self
        spec = _Spec(name, loader, origin=entry[3], is_package=entry[2])
        spec.has_location = True
        spec.cached = ""  # else Python works out, for each module, where a cache would be
        if entry[2]:
            spec.submodule_search_locations = [entry[3].rpartition("/")[0]]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave making the module to Python."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's code."""
        spec = module.__spec__
        assert spec is not None, "a module being imported has a spec"
        exec(self._read(spec.name), module.__dict__)  # noqa: S102  # this is what an importer does
        if spec.name == _COMPILER:
            _teach(module, self._read(_PATTERNS))

    def _read(self, name: str) -> Any:
        offset, size, _, _ = self._index[name]
        return marshal.loads(os.pread(self._file, size, self._start + offset))  # noqa: S302  # ours


def _teach(compiler: Any, known: Mapping[tuple[str | bytes, int], tuple[Any, ...]]) -> None:
    """Let Python's compiler of regular expressions give the known ones at once."""
    compile_anew, make = compiler.compile, compiler._sre.compile  # noqa: SLF001  # nothing else

    def compile_or_know(pattern: Any, flags: int = 0) -> Any:
        found = known.get((pattern, flags))
        return compile_anew(pattern, flags) if found is None else make(*found)

    compiler.compile = compile_or_know


def encode(modules: Mapping[str, tuple[bytes, bool, str]], patterns: bytes) -> bytes:
    """Write a bundle: name → marshalled code, whether it is a package, path in tracebacks.

    ``patterns`` are compiled regular expressions as ``podvm/patterns.py`` collects them.
    """
    index: dict[str, tuple[int, int, bool, str]] = {}
    body = bytearray()
    entries = {**modules, _PATTERNS: (patterns, False, "")}
    for name, (code, package, path) in sorted(entries.items()):
        index[name] = (len(body), len(code), package, path)
        body += code
    encoded = marshal.dumps(index, 2)
    return len(encoded).to_bytes(_SIZE_FIELD, "little") + encoded + bytes(body)


def install(path: str) -> None:
    """Let imports be served by the bundle at ``path`` first."""
    finder: Any = Bundle(path)
    sys.meta_path.insert(0, finder)
