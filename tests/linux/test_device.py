import errno
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux import csv_guest, mkfd, sev_guest, sgx, shared_library, tdx_guest, uv
from casemate.linux.device import CharacterDevice, Memory, Opened, ior, iow, iowr
from tests.sim.devices import memory


def test_numbers_are_those_of_the_kernels_headers() -> None:
    assert iow("T", 3, 52) == 0x40345403
    assert ior("s", 7, 4) == sgx.QUOTE_SIZE == 0x80047307
    assert iowr("s", 8, 24) == sgx.MAKE_QUOTE == 0xC0187308
    assert sev_guest.GET_REPORT == 0xC0205300
    assert sev_guest.GET_EXTENDED_REPORT == 0xC0205302
    assert tdx_guest.GET_REPORT == 0xC4405401
    assert tdx_guest.EXTEND_REGISTER == 0x80315403
    assert csv_guest.GET_REPORT == 0xC0104401
    assert csv_guest.ASK_REGISTERS == 0xC0184402
    assert mkfd.GET_REPORT == 0xC0384D17
    assert (uv.ATTEST, uv.CONTROL_BLOCK.size) == (0xC0407501, 64)
    assert uv.ATTESTATION.size == 0x138


def test_device_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="kernel module"):
        CharacterDevice(tmp_path / "sev-guest")


def test_kernel_refuses_what_a_device_does_not_know() -> None:
    said = f"Errno {errno.ENOTTY}"
    with (
        Opened(CharacterDevice(Path("/dev/null"))) as device,
        pytest.raises(OSError, match=said),
    ):
        device.ioctl(sev_guest.GET_REPORT, bytearray(32))


def test_memory_is_where_it_says() -> None:
    mine = Memory(b"abc")
    assert memory.read(mine.address, 3) == b"abc"
    memory.write(mine.address, b"xyz")
    assert mine.read() == b"xyz"
    assert mine.read(2) == b"xy"
    assert mine.read(9) == b"xyz"
    assert Memory.zeros(2).read() == b"\0\0"
    assert Memory(b"").read() == b""


def test_library_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"the driver"):
        shared_library.load([tmp_path / "lib.so"], remedy="load the driver")
    with pytest.raises(HostError, match="none"):
        shared_library.load([], remedy="")
