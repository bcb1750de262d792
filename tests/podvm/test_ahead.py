"""What is read ahead: complete, in the order of use, inside its files."""

from collections.abc import Callable

import pytest

from casemate.errors import HostError
from casemate.podvm import ahead
from tests.podvm.test_elf import library

BUNDLE = ("usr/lib/casemate/bundle", 100)


def files(*absent: str) -> Callable[[str], bytes]:
    def found(path: str) -> bytes:
        if path in absent:
            raise HostError(path, got="no such file", want="what the guest begins with")
        return library(0x1140)

    return found


def test_python_can_run_before_anything_it_imports_is_read() -> None:
    order = [path for path, _, _ in ahead.parts(files(), BUNDLE)]
    assert order[0] == "usr/bin/python3.11"  # what the loader relocates
    before, after = order[: order.index(BUNDLE[0])], order[order.index(BUNDLE[0]) + 1 :]
    assert before[-1] == "usr/bin/python3.11"
    assert {path.rpartition("/")[2] for path in before} == {
        "python3.11", "ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libz.so.1",
        "libexpat.so.1",
    }  # fmt: skip
    names = [path.rpartition("/")[2] for path in after]
    assert names.index("libcrypto.so.3") < names.index("_rust.abi3.so") < names.index("crun")


def test_parts_lie_inside_their_files() -> None:
    for path, offset, size in ahead.parts(files(), BUNDLE):
        assert offset >= 0
        assert size > 0
        if path != BUNDLE[0]:
            assert offset + size <= len(library(0x1140))


def test_image_without_a_file_that_a_start_needs_is_refused() -> None:
    with pytest.raises(HostError, match="crun"):
        list(ahead.parts(files("usr/bin/crun"), BUNDLE))
