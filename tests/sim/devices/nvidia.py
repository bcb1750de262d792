"""NVIDIA's libraries as a real shared one, so that calling conventions are tried too."""

import ctypes
import shutil
from pathlib import Path

import pytest

from casemate.linux.program import run

SOURCE = Path(__file__).with_name("nvidia.c")


def build(folder: Path) -> ctypes.CDLL:
    """Compile and load it, or skip the calling test where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no cc: apt-get install gcc")
    library = folder / "libfake-nvidia.so"
    options = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
    run([compiler, *options, "-o", library, SOURCE], timeout=60)
    return ctypes.CDLL(str(library))
