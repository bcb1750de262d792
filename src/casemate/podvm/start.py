"""How Python starts in the pod VM: every module out of one file, found by name.

Under emulation, looking for a module in folders costs as much as running it. So the image holds
all byte code in one bundle with an index: a module is one look-up and one read. What Python does
around that, locks and finders and specifications, costs twice as much again and is for programs
with threads and modules in many places: while there is one thread, a module of the bundle is loaded
without it. Compiled into the image as ``casemate_start``; imports nothing that is not built into
the interpreter.

Bundle: 8 bytes, little-endian: size of the index; the index (marshal: name → offset from the
index's end, size, whether it is a package, path in tracebacks); code objects (marshal). One entry
is no module: regular expressions, compiled when the image was built (podvm/rehearsal.py). It and
the modules that every pod imports come first, so that they can be read in one piece.
"""

from __future__ import annotations

import _thread
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_Spec: type[ModuleSpec] = type(sys.__spec__)
_Module = type(sys)
_importlib: Any = sys.modules["_frozen_importlib"]
_find_and_load: Callable[..., ModuleType] = _importlib._find_and_load  # noqa: SLF001
"""What the import statement calls for a module that is not there: its name, and how to import."""
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

    def load(self, name: str, import_: Callable[[str], object]) -> ModuleType:
        """Give a module that is not loaded yet, as ``importlib``'s function of that purpose does.

        What is not in the bundle is left to it, and all once there are threads: two may want the
        same module.
        """
        spec = None if name in sys.modules or _thread._count() else self.find_spec(name)  # noqa: SLF001
        if spec is None:
            return _find_and_load(name, import_)
        parent, _, child = name.rpartition(".")
        if parent and parent not in sys.modules:
            import_(parent)
            if name in sys.modules:
                return sys.modules[name]
        module = _Module(name)
        module.__spec__ = spec
        module.__loader__ = spec.loader
        module.__package__ = spec.parent
        module.__file__ = spec.origin
        if spec.submodule_search_locations is not None:
            module.__path__ = spec.submodule_search_locations
        sys.modules[name] = module
        try:
            self.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)  # it may have done so itself
            raise
        module = sys.modules[name]  # a module may put something else in its own place
        if parent:
            setattr(sys.modules[parent], child, module)
        return module

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


def encode(
    modules: Mapping[str, tuple[bytes, bool, str]], patterns: bytes, first: AbstractSet[str]
) -> tuple[bytes, int]:
    """Write a bundle: name → marshalled code, whether it is a package, path in tracebacks.

    ``patterns`` are compiled regular expressions as ``podvm/rehearsal.py`` collects them, ``first``
    the names of the modules that come first.

    Returns:
        The bundle, and how many bytes of it hold index, patterns and those modules.
    """
    index: dict[str, tuple[int, int, bool, str]] = {}
    body = bytearray()
    beginning = 0
    entries = {**modules, _PATTERNS: (patterns, False, "")}
    first = {*first, _PATTERNS}
    for name in sorted(entries, key=lambda name: (name not in first, name)):
        code, package, path = entries[name]
        index[name] = (len(body), len(code), package, path)
        body += code
        beginning = len(body) if name in first else beginning
    encoded = marshal.dumps(dict(sorted(index.items())), 2)
    head = len(encoded).to_bytes(_SIZE_FIELD, "little") + encoded
    return head + bytes(body), len(head) + beginning


def install(path: str) -> None:
    """Let imports be served by the bundle at ``path`` first."""
    finder: Any = Bundle(path)
    sys.meta_path.insert(0, finder)
    _importlib._find_and_load = finder.load  # noqa: SLF001
