"""The root file system: from unpacked packages, wheels and our code to a tree of files.

An allow-list all the way: named programs, the libraries they are linked with, Python without what
a guest cannot use, kernel modules, our import closure. Nothing else of any package gets in: no
shell, no package manager, no login, no documentation.
"""

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.podvm import ahead, elf, initrd, modules, start
from casemate.podvm import recipe as recipes
from casemate.podvm.bytecode import Module
from casemate.podvm.rehearsal import Rehearsal
from casemate.podvm.tree import File, Link, Tree

LIBRARIES: Final = "usr/lib/x86_64-linux-gnu"
LOADER: Final = "usr/lib64/ld-linux-x86-64.so.2"
STDLIB: Final = "usr/lib/python3.11"
SITE: Final = "usr/lib/casemate/site"
BUNDLE: Final = "usr/lib/casemate/bundle"
"""All byte code, as podvm/start.py reads it."""
START: Final = f"{SITE}/casemate_start.py"
MODULES: Final = "usr/lib/casemate/kernel"
MODULE_LISTS: Final = {
    "usr/lib/casemate/modules": modules.BOOT,
    "usr/lib/casemate/modules.scratch": modules.SCRATCH,
    "usr/lib/casemate/modules.volumes": modules.VOLUMES,
}
"""Lists of kernel modules to load, absolute paths, dependencies first, one a line."""

AHEAD: Final = "usr/lib/casemate/ahead"
"""List of parts of files that the initrd's program reads while the root's init starts."""

_MERGED: Final = ("bin", "sbin", "lib", "lib64")
"""Folders that are links into usr/ on a merged system."""

_STDLIB_LEFT_OUT: Final = (
    "__pycache__", "config-3.11-x86_64-linux-gnu", "curses", "dbm", "distutils", "ensurepip",
    "idlelib", "lib2to3", "pydoc_data", "sqlite3", "test", "tkinter", "turtledemo", "unittest",
    "venv", "wsgiref", "xmlrpc",
)  # fmt: skip
_STDLIB_MODULES_LEFT_OUT: Final = (
    "antigravity", "cProfile", "doctest", "imaplib", "mailbox", "nntplib", "pdb", "pickletools",
    "poplib", "profile", "pydoc", "smtpd", "smtplib", "tabnanny", "telnetlib", "this", "turtle",
    "webbrowser",
)  # fmt: skip
_EXTENSIONS_LEFT_OUT: Final = (
    "_codecs_", "_crypt", "_ctypes_test", "_curses", "_dbm", "_lsprof", "_multibytecodec",
    "_sqlite3", "_test", "_tkinter", "_xx", "audioop", "nis", "ossaudiodev", "readline",
    "xxlimited",
)  # fmt: skip
_ENCODINGS: Final = (
    "__init__", "aliases", "ascii", "cp437", "idna", "latin_1", "punycode", "raw_unicode_escape",
    "undefined", "unicode_escape", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_8",
    "utf_8_sig",
)  # fmt: skip

_LOOSE: Final = (START, f"{STDLIB}/encodings/", f"{STDLIB}/os.py", f"{STDLIB}/__future__.py")
"""Sources whose byte code stands in files of its own: Python needs it before the bundle is open."""
_UNCHECKED: Final = bytes.fromhex("a70d0d0a") + (1).to_bytes(4, "little") + bytes(8)
"""Head of a ``.pyc`` of Python 3.11: magic, hash-based and unchecked (PEP 552), no hash."""

_INIT: Final = (
    "#!/usr/bin/python3.11 -ISB\n"
    "import gc\n"
    "gc.disable()\n"  # until the pod is ready: collecting amid imports is a quarter of their time
    "import sys\n"
    f'sys.path[:] = ["/{SITE}", "/{STDLIB}", "/{STDLIB}/lib-dynload"]\n'
    "import casemate_start\n"
    f'casemate_start.install("/{BUNDLE}")\n'
    f"from {recipes.GUEST_ENTRY} import main\n"
    "sys.exit(main())\n"
)
"""First program of the root file system, PID 1."""


class Packages:
    """Debian's packages, unpacked into one folder, seen as a merged system sees them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, path: str) -> Path:
        """Find a file by its path on a merged system; links are followed inside the folder.

        Raises:
            HostError: no package brought it.
        """
        for _ in range(8):
            place = self._place(path)
            if not place.is_symlink():
                return place
            target = place.readlink()
            parent = Path("/", path).parent
            path = str(Path(parent, target)).lstrip("/")
        raise HostError(path, got="links without end", want="a file of a package")

    def _place(self, path: str) -> Path:
        merged = path.removeprefix("usr/")
        candidates = [self.folder / path]
        if merged.partition("/")[0] in _MERGED:
            candidates = [self.folder / "usr" / merged, self.folder / merged]
        for place in candidates:
            if place.is_symlink() or place.exists():
                return place
        raise HostError(
            f"podvm {path}",
            got="no package brings it",
            want="a file of the packages listed in podvm/recipe.py",
        )

    def file(self, path: str) -> File:
        """Read a file with its execute permission."""
        place = self.resolve(path)
        executable = place.stat().st_mode & stat.S_IXUSR
        return File(place.read_bytes(), 0o755 if executable else 0o644)


def compose(packages: Packages, site: Iterable[tuple[str, bytes]]) -> Tree:
    """Lay out everything but byte code: settings, programs, kernel modules, extensions, libraries.

    Args:
        packages: Debian's packages.
        site: files of the wheels; Python sources among them are passed over.
    """
    tree = Tree(folders=set(recipes.DIRECTORIES))
    for path, text in recipes.TEXTS.items():
        tree.add(path, File(text.encode()))
    for path, target in recipes.LINKS.items():
        tree.add(path, Link(target))
    for program in recipes.PROGRAMS:
        tree.add(program, packages.file(program))
    tree.add("usr/sbin/init", File(_INIT.encode(), 0o755))
    _add_kernel_modules(tree, packages)
    _add_extensions(tree, packages)
    for path, data in site:
        if not path.endswith(".py"):
            tree.add(f"{SITE}/{path}", File(without_unused_libraries(data, packages)))
    add_libraries(tree, packages)
    for path, file in list(tree.files()):
        if elf.is_elf(file.data):
            tree.nodes[path] = File(elf.loaded(file.data), file.mode)
    return tree


def sources(
    packages: Packages, site: Iterable[tuple[str, bytes]], ours: Mapping[str, bytes]
) -> dict[str, Module]:
    """Collect the Python sources to compile, by their path in the image.

    Our own code keeps its assertions.
    """
    found: dict[str, Module] = {}
    stdlib = packages.folder / STDLIB
    for file in sorted(stdlib.rglob("*.py")):
        relative = file.relative_to(stdlib)
        if _stdlib_wanted(relative):
            found[f"{STDLIB}/{relative}"] = Module(file.read_bytes(), assertions=False)
    for path, data in site:
        if path.endswith(".py"):
            found[f"{SITE}/{path}"] = Module(data, assertions=False)
    for path, data in ours.items():
        found[f"{SITE}/{path}"] = Module(data, assertions=True)
    found[START] = Module(Path(start.__file__).read_bytes(), assertions=True)
    return found


def add_code(tree: Tree, compiled: Mapping[str, bytes], rehearsal: Rehearsal) -> None:
    """Add compiled modules: what starts Python as files, everything else as one bundle."""
    bundled = {}
    for path, code in compiled.items():
        if path.startswith(_LOOSE):
            tree.add(path.removesuffix(".py") + ".pyc", File(_UNCHECKED + code))
        else:
            name, package = _module_name(path)
            bundled[name] = (code, package, "/" + path)
    bundle, beginning = start.encode(bundled, rehearsal.patterns, rehearsal.imported)
    tree.add(BUNDLE, File(bundle))
    read = ahead.parts(lambda path: _found(tree, path), (BUNDLE, beginning))
    tree.add(AHEAD, File(initrd.list_of_parts(read)))


def _found(tree: Tree, path: str) -> bytes:
    file = tree.nodes.get(path)
    if not isinstance(file, File):
        raise HostError(path, got="no such file", want="what the guest begins with")
    return file.data


def _module_name(path: str) -> tuple[str, bool]:
    folder = SITE if path.startswith(SITE + "/") else STDLIB
    dotted = path.removeprefix(folder + "/").removesuffix(".py").replace("/", ".")
    return dotted.removesuffix(".__init__"), dotted.endswith(".__init__")


def without_unused_libraries(data: bytes, packages: Packages) -> bytes:
    """Give a file of a wheel without links to libraries of which it uses nothing.

    Linkers leave them where nobody told them ``--as-needed``; each is loaded, relocated and set up
    before the file can be used.
    """
    if not elf.is_elf(data):
        return data
    wanted, _ = elf.symbols(data)
    for library in sorted({*elf.needed(data)} - elf.versioned(data)):
        _, offered = elf.symbols(packages.file(f"{LIBRARIES}/{library}").data)
        if not wanted & offered:
            data = elf.without_needed(data, library)
    return data


def add_libraries(tree: Tree, packages: Packages) -> None:
    """Add the dynamic loader and every library that something in the tree is linked with.

    Raises:
        HostError: a library is in none of the packages.
    """
    loader = Path(LOADER).name
    tree.add(LOADER, packages.file(f"{LIBRARIES}/{loader}"))
    known = {loader}
    waiting = list(recipes.RUNTIME_LIBRARIES)
    for _, file in tree.files():
        waiting += _needed(file)
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            file = packages.file(f"{LIBRARIES}/{name}")
            tree.add(f"{LIBRARIES}/{name}", file)
            waiting += _needed(file)


def kernel_release(packages: Packages) -> str:
    """Release of the only kernel among the packages, as in ``lib/modules/<release>``."""
    (folder,) = packages.resolve("usr/lib/modules").iterdir()
    return folder.name


def _needed(file: File) -> list[str]:
    dynamic = elf.is_elf(file.data) and not elf.module_facts(file.data)
    return elf.needed(file.data) if dynamic else []


def _add_kernel_modules(tree: Tree, packages: Packages) -> None:
    folder = packages.resolve(f"usr/lib/modules/{kernel_release(packages)}")
    loaded = [module for listed in modules.plan_initrd(folder).values() for module in listed]
    for path, wanted in MODULE_LISTS.items():
        new = [module for module in modules.plan(folder, wanted) if module not in loaded]
        for module in new:
            tree.add(f"{MODULES}/{module.name}", File(initrd.module_bytes(module)))
        tree.add(path, File(initrd.list_of(f"{MODULES}/{module.name}" for module in new)))
        loaded += new


def _add_extensions(tree: Tree, packages: Packages) -> None:
    folder = f"{STDLIB}/lib-dynload"
    for file in sorted((packages.folder / folder).glob("*.so")):
        if not file.name.startswith(_EXTENSIONS_LEFT_OUT):
            tree.add(f"{folder}/{file.name}", File(file.read_bytes()))


def _stdlib_wanted(path: Path) -> bool:
    if path.parts[0] == "encodings":
        return path.stem in _ENCODINGS
    return (
        path.parts[0] not in _STDLIB_LEFT_OUT
        and path.stem not in _STDLIB_MODULES_LEFT_OUT
        and "test" not in path.parts
    )
