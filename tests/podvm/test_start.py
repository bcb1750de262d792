"""The bundle, in a fresh interpreter: what process 1 of a pod VM does first."""

import importlib.util
import inspect
import marshal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from casemate.podvm import recorder, start


def fresh_compiler() -> ModuleType:
    """Python's compiler of regular expressions, not the one that everybody uses."""
    spec = importlib.util.find_spec("re._compiler")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def swapped() -> bytes:
    """What a build would have recorded, but that "a" means what "b" does."""
    compiler = fresh_compiler()
    found = recorder.watch(compiler)
    compiler.compile("b")
    return marshal.dumps({("a", 0): found["b", 0]}, 2)


MODULES = {
    "pack": ("VALUE = 1\n", True, "/site/pack/__init__.py"),
    "pack.inner": ("from pack import VALUE\nTWICE = VALUE * 2\n", False, "/site/pack/inner.py"),
    "broken": ("1 / 0\n", False, "/site/broken.py"),
    "pack.ring": ("import pack.ring2\nEND = pack.ring2.END\n", False, "/site/pack/ring.py"),
    "pack.ring2": (
        "import sys, pack.ring\nEND = hasattr(sys.modules['pack.ring'], 'END')\n",
        False,
        "/site/pack/ring2.py",
    ),
    "other": ("import sys\nsys.modules[__name__] = 'another'\n", False, "/site/other.py"),
    "slow": ("import time\ntime.sleep(0.3)\nDONE = 1\n", False, "/site/slow.py"),
    "re._compiler": (inspect.getsource(fresh_compiler()), False, "/lib/re/_compiler.py"),
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    compiled = {
        name: (marshal.dumps(compile(text, path, "exec")), package, path)
        for name, (text, package, path) in MODULES.items()
    }
    file = tmp_path / "bundle"
    file.write_bytes(start.encode(compiled, swapped(), {"pack"})[0])
    return file


def run(bundle: Path, script: str) -> subprocess.CompletedProcess[str]:
    source = Path(start.__file__).read_text()
    program = (
        f"import sys\nsource = {source!r}\n"
        "start = type(sys)('casemate_start')\nexec(source, start.__dict__)\n"
        f"start.install({str(bundle)!r})\n{script}"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )


def test_modules_and_packages_come_out_of_the_bundle(bundle: Path) -> None:
    done = run(bundle, "import pack.inner as m; print(m.TWICE, m.__file__, m.__package__)")
    assert done.stdout == "2 /site/pack/inner.py pack\n", done.stderr


def test_package_knows_where_its_extensions_would_be(bundle: Path) -> None:
    assert run(bundle, "import pack; print(pack.__path__)").stdout == "['/site/pack']\n"


def test_module_that_is_not_there_is_left_to_python(bundle: Path) -> None:
    done = run(bundle, "import json; print(json.loads('1'))\nimport nowhere")
    assert done.stdout == "1\n"
    assert "No module named 'nowhere'" in done.stderr


def test_traceback_names_file_and_line(bundle: Path) -> None:
    assert 'File "/site/broken.py", line 1' in run(bundle, "import broken").stderr


def test_import_that_fails_leaves_nothing_behind(bundle: Path) -> None:
    script = (
        "for _ in range(2):\n"
        "    try: import broken\n"
        "    except ZeroDivisionError: print('broken' in sys.modules)"
    )
    assert run(bundle, script).stdout == "False\nFalse\n"


def test_modules_that_import_each_other_meet_half_done(bundle: Path) -> None:
    assert (
        run(bundle, "import pack.ring as r; print(r.END, r.__name__)").stdout == "False pack.ring\n"
    )


def test_module_may_put_another_in_its_place(bundle: Path) -> None:
    assert run(bundle, "import other; print(other)").stdout == "another\n"


def test_module_knows_its_loader_and_reloads(bundle: Path) -> None:
    script = (
        "import importlib, pack\n"
        "assert pack.__loader__ is pack.__spec__.loader\n"
        "pack.VALUE = 5\n"
        "print(importlib.reload(pack).VALUE, importlib.import_module('pack.inner').TWICE)"
    )
    assert run(bundle, script).stdout == "1 2\n"


def test_threads_that_want_one_module_wait_for_each_other(bundle: Path) -> None:
    script = (
        "import threading\n"
        "def want():\n    import slow\n    print(slow.DONE)\n"
        "both = [threading.Thread(target=want) for _ in range(2)]\n"
        "[each.start() for each in both]; [each.join() for each in both]"
    )
    assert run(bundle, script).stdout == "1\n1\n"


def test_start_needs_nothing_but_the_interpreter() -> None:
    """Its imports are built in or frozen: no file to find before the bundle is open."""
    allowed = {"__future__", "_thread", "marshal", "os", "sys"}
    lines = Path(start.__file__).read_text().split("if TYPE_CHECKING:")[0].splitlines()
    imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imported == allowed


def test_same_modules_give_the_same_bundle() -> None:
    given = {"b": (b"2", False, "/b"), "a": (b"1", True, "/a")}
    other = dict(reversed(given.items()))
    assert start.encode(given, b"3", {"b", "a"}) == start.encode(other, b"3", {"a", "b"})


def test_what_every_pod_imports_stands_first() -> None:
    given = {name: (name.encode() * 9, False, f"/{name}") for name in "abcd"}
    data, beginning = start.encode(given, b"patterns", {"d", "b", "sys"})
    assert data[:beginning].endswith(b"patterns" + b"b" * 9 + b"d" * 9)
    assert data[beginning:] == b"a" * 9 + b"c" * 9


def test_known_expression_is_given_and_another_compiled(bundle: Path) -> None:
    """``re._compiler`` of this interpreter stands in the bundle; the known form of "a" says "b"."""
    script = (
        "import re\n"
        "known, flagged, octets = re.compile('a'), re.compile('a', re.I), re.compile(b'a')\n"
        "print(*map(bool, (known.match('b'), flagged.match('A'), octets.match(b'a'))))"
    )
    assert run(bundle, script).stdout == "True True True\n"
