"""Footprints of large libraries: what is read of them, and what a real guest still touches."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.podvm import ahead, footprint
from casemate.podvm.footprint import WINDOW, Footprint
from casemate.trace import Station
from casemate.wire import console
from casemate.wire.console import EventKind
from tests.podvm.test_elf import library
from tests.sim.debug_guest import debug_guest

FORGOTTEN = 1 / 10
"""Of a footprint, at most. Below, a little more is done than at a start: it also encrypts."""

LOOKS = b"""\
busybox cat >/tmp/looks.py <<'END'
import sys
sys.path[:] = ["/usr/lib/casemate/site", "/usr/lib/python3.11", "/usr/lib/python3.11/lib-dynload"]
import casemate_start
casemate_start.install("/usr/lib/casemate/bundle")
import ctypes, os
from casemate.crypto import jwe
from casemate.crypto.keys import Kind, PrivateKey
from casemate.guest.agent import default_policy
from casemate.guest.agent.policy import AgentPolicy
key = PrivateKey.generate(Kind.P256)
sealed = jwe.encrypt(b"secret", jwe.recipient(key.public))
assert jwe.decrypt(sealed, key).reveal() == b"secret"
AgentPolicy(default_policy.TEXT, name=default_policy.NAME)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
for name in sys.argv[2:]:
    file = os.open("/" + name, os.O_RDONLY)
    size, window = os.fstat(file).st_size, int(sys.argv[1])
    pages = (ctypes.c_ubyte * ((size + 4095) // 4096))()
    at = ctypes.c_void_p(libc.mmap(None, size, 1, 1, file, 0))
    assert libc.mincore(at, ctypes.c_size_t(size), pages) == 0
    each = window // 4096
    touched = (any(page & 1 for page in pages[n:n + each]) for n in range(0, len(pages), each))
    print("TOUCHED", name, size, "%x" % sum(bit << n for n, bit in enumerate(touched)), flush=True)
END
"""
TOUCHED = re.compile(rb"TOUCHED (\S+) (\d+) ([0-9a-f]+)")


def test_touched_windows_are_read_in_runs_up_to_the_end_of_the_library() -> None:
    seen = Footprint(7 * WINDOW - 100, 0b1100101)
    assert list(seen.parts()) == [
        (0, WINDOW),
        (2 * WINDOW, WINDOW),
        (5 * WINDOW, 2 * WINDOW - 100),
    ]


@given(st.integers(0, (1 << 80) - 1))
def test_parts_are_those_windows_and_no_other(windows: int) -> None:
    parts = Footprint(80 * WINDOW, windows).parts()
    numbers = [n for at, size in parts for n in range(at // WINDOW, (at + size) // WINDOW)]
    assert sum(1 << n for n in numbers) == windows


def test_another_version_of_a_library_is_read_as_the_loader_reads_it() -> None:
    seen = Footprint(len(library(0x1140)) + 1, 1)
    assert seen.of(library(0x1140)) == [(0, 0x160), (0x200, 0x80)]


def test_until_its_first_statement_python_touches_less() -> None:
    assert footprint.PYTHON_RUNS.windows & ~footprint.PYTHON.windows == 0
    assert footprint.PYTHON_RUNS.size == footprint.PYTHON.size


@pytest.mark.vm
@pytest.mark.xdist_group("vm")
def test_guest_touches_what_was_seen(tmp_path: Path) -> None:
    found = {}
    with debug_guest(tmp_path) as guest:
        for line in guest.lines:
            event = console.parse(line)
            if event and (event.kind, event.station) == (EventKind.READY, Station.CONNECT):
                names = " ".join(ahead.SEEN)
                guest.run(LOOKS + f"python3.11 -ISB /tmp/looks.py {WINDOW} {names}\n".encode())
            elif told := TOUCHED.search(line):
                found[told[1].decode()] = Footprint(int(told[2]), int(told[3], 16))
                if len(found) == len(ahead.SEEN):
                    break
    for name, seen in ahead.SEEN.items():
        now = found[name]
        advice = f"write into podvm/footprint.py: {name}: {now.size}, {now.windows:#x}"
        assert now.size == seen.size, advice
        forgotten = (now.windows & ~seen.windows).bit_count()
        assert forgotten <= FORGOTTEN * now.windows.bit_count(), advice
