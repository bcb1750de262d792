import errno
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux import sgx
from tests.sim.devices.occlum import FakeOcclum

DATA = bytes(range(64))


def quote(data: bytes) -> bytes:
    return b"quote of " + data


def test_gramine_answers_by_files(tmp_path: Path) -> None:
    (tmp_path / "quote").write_bytes(b"quote")
    assert sgx.gramine_quote(DATA, tmp_path) == b"quote"
    assert (tmp_path / "user_report_data").read_bytes() == DATA
    (tmp_path / "quote").write_bytes(b"")
    with pytest.raises(HostError, match="empty"):
        sgx.gramine_quote(DATA, tmp_path)
    with pytest.raises(HostError, match="remote_attestation"):
        sgx.gramine_quote(DATA, tmp_path / "nowhere")


def test_occlum_answers_by_its_device() -> None:
    assert sgx.occlum_quote(DATA, open_device=FakeOcclum(quote).open) == quote(DATA)


@pytest.mark.parametrize("size", [0, 1 << 20])
def test_impossible_quote_is_refused(size: int) -> None:
    device = FakeOcclum(quote)
    device.size = size
    with pytest.raises(HostError, match="at most"):
        sgx.occlum_quote(DATA, open_device=device.open)


def test_failures_are_shown() -> None:
    device = FakeOcclum(quote)
    device.size = 3
    with pytest.raises(HostError, match="/dev/sgx"):
        sgx.occlum_quote(DATA, open_device=device.open)
    device.failure = errno.ENOTTY
    with pytest.raises(HostError, match="/dev/sgx"):
        sgx.occlum_quote(DATA, open_device=device.open)
