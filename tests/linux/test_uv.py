import errno

import pytest

from casemate.errors import HostError
from casemate.linux.uv import Attestation, Uv
from tests.sim.devices.uv import FakeUv


def answer(request: bytes, user: bytes) -> tuple[bytes, bytes, bytes]:
    return (request + user).ljust(64, b"m"), b"a" * 64, b"c" * 16


def attest(device: FakeUv, additional: int = 64) -> Attestation:
    return Uv(open_device=device.open).attest(
        b"request", b"user", measurement_size=64, additional_size=additional
    )


def test_vm_is_measured() -> None:
    found = attest(FakeUv(answer))
    assert found.measurement == b"requestuser".ljust(64, b"m")
    assert (found.additional, found.configuration_id) == (b"a" * 64, b"c" * 16)


def test_additional_data_may_be_none_or_less() -> None:
    assert attest(FakeUv(answer), 0).additional == b""
    short = FakeUv(lambda _request, _user: (b"m" * 64, b"a" * 10, b"c" * 16))
    assert attest(short).additional == b"a" * 10


@pytest.mark.parametrize(("code", "reason"), [(0x106, 0x7), (2, 0)])
def test_ultravisors_refusal_is_shown(code: int, reason: int) -> None:
    device = FakeUv(answer)
    device.code, device.reason = code, reason
    with pytest.raises(HostError, match=f"{code:#06x}, reason {reason:#06x}"):
        attest(device)


def test_device_that_fails_is_named() -> None:
    device = FakeUv(answer)
    device.failure = errno.EIO
    with pytest.raises(HostError, match="/dev/uv"):
        attest(device)
