import errno

import pytest

from casemate.errors import HostError
from casemate.linux import sev_guest
from casemate.linux.sev_guest import SevGuest
from tests.sim.devices.sev_guest import FakeSevGuest

DATA = bytes(range(64))


def report(user_data: bytes) -> bytes:
    return user_data.ljust(sev_guest.REPORT_SIZE, b"r")


def guest(device: FakeSevGuest) -> SevGuest:
    return SevGuest(open_device=device.open)


def test_report_is_bound_to_the_user_data() -> None:
    device = FakeSevGuest(report)
    assert guest(device).report(DATA) == report(DATA)
    assert (device.opened, device.closed) == (1, 1)


def test_host_without_certificates_answers_at_once() -> None:
    device = FakeSevGuest(report)
    assert guest(device).extended_report(DATA) == (report(DATA), b"")
    assert device.requests == [sev_guest.GET_EXTENDED_REPORT]


def test_certificates_get_the_room_that_the_host_wants() -> None:
    device = FakeSevGuest(report, b"c" * 5000)
    found, table = guest(device).extended_report(DATA)
    assert found == report(DATA)
    assert table == (b"c" * 5000).ljust(8192, b"\0")
    assert len(device.requests) == 2


def test_host_that_always_wants_more_is_given_up() -> None:
    device = FakeSevGuest(report, b"c")
    device.greedy = True
    with pytest.raises(HostError, match="ever more room"):
        guest(device).extended_report(DATA)
    assert device.opened == device.closed


def test_host_that_wants_a_gigabyte_is_refused() -> None:
    device = FakeSevGuest(report, bytes(2 << 20))
    with pytest.raises(HostError, match="VMM error 0x1"):
        guest(device).extended_report(DATA)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINTR, errno.EBUSY])
def test_busy_firmware_is_asked_again(number: int) -> None:
    device = FakeSevGuest(report)
    device.failures = [(number, 0), (number, 0)]
    assert guest(device).report(DATA) == report(DATA)
    device.failures = [(number, 2 << 32)] * 3
    with pytest.raises(HostError, match="VMM error 0x2"):
        guest(device).report(DATA)


def test_errors_of_the_firmware_are_shown() -> None:
    device = FakeSevGuest(report)
    device.failures = [(errno.EIO, 0x16)]
    with pytest.raises(HostError, match="firmware error 0x16"):
        guest(device).report(DATA)
    device.failures = [(errno.EIO, 0x16)]
    with pytest.raises(HostError, match="firmware error 0x16"):
        guest(device).extended_report(DATA)


@pytest.mark.parametrize(("status", "size"), [(0x16, 1184), (0, 0), (0, 1183), (0, 4000)])
def test_answer_without_a_whole_report_is_refused(status: int, size: int) -> None:
    device = FakeSevGuest(report)
    device.status, device.size = status, size
    with pytest.raises(HostError, match="1184"):
        guest(device).report(DATA)
