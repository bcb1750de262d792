import errno

import pytest

from casemate.crypto.sm3 import sm3
from casemate.errors import HostError
from casemate.linux.csv_guest import CsvGuest
from tests.sim.devices.csv_guest import FakeCsvGuest

DIGEST = bytes(range(32))


def report(version: int, data: bytes, nonce: bytes) -> bytes:
    return bytes([version]) + data + nonce


def guest(device: FakeCsvGuest) -> CsvGuest:
    return CsvGuest(open_device=device.open)


def request(extended: bytes = b"") -> bytes:
    data, nonce = b"d" * 64, b"n" * 16
    return data + nonce + sm3(data + nonce) + extended


def test_page_is_overwritten_by_a_report() -> None:
    page = guest(FakeCsvGuest(report)).report(request())
    assert page == (b"\1" + b"d" * 64 + b"n" * 16).ljust(4096, b"\0")
    extended = guest(FakeCsvGuest(report)).report(request(b"ATTESTATION_EXT\0\1\0\0\0"))
    assert extended[0] == 2


def test_registers_are_started_once_and_extended() -> None:
    device = FakeCsvGuest(report)
    made = guest(device)
    assert made.has_registers
    made.extend(4, DIGEST)
    made.extend(4, DIGEST)
    assert device.registers[4] == sm3(sm3(bytes(32) + DIGEST) + DIGEST)
    assert device.commands == [1, 1, 2, 4, 1, 4]


def test_old_firmware_has_no_registers() -> None:
    made = guest(FakeCsvGuest(report, registers=False))
    assert not made.has_registers
    with pytest.raises(HostError, match="newer firmware"):
        made.extend(4, DIGEST)


def test_failures_are_shown() -> None:
    device = FakeCsvGuest(report)
    with pytest.raises(HostError, match="Invalid argument"):
        guest(device).report(b"d" * 200)
    device.firmware_error = 0x1C
    with pytest.raises(HostError, match="firmware error 0x1c"):
        _ = guest(device).has_registers
    device.failure = errno.EIO
    with pytest.raises(HostError, match="/dev/csv-guest"):
        _ = guest(device).has_registers
