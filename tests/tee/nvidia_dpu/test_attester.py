from pathlib import Path

import msgspec
import pytest

from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import HostError, InputError
from casemate.tee.machine import Machine
from casemate.tee.nvidia_dpu.attester import DpuAttester, open_attester

REPORT_DATA = bytes(range(48))
SCALAR = bytes(47) + b"\5"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine.this({}, root=tmp_path)
    put(machine, "/sys/kernel/security/tee/dice/alias_private_key", SCALAR)
    machine.path("/sys/class/infiniband/mlx5_0").mkdir(parents=True)
    folder = "/sys/class/infiniband/mlx5_1/device/attestation"
    put(machine, f"{folder}/alias_cert", b"alias")
    put(machine, f"{folder}/device_id_cert", b"device")
    return machine


def put(machine: Machine, path: str, content: bytes) -> None:
    machine.path(path).parent.mkdir(parents=True, exist_ok=True)
    machine.path(path).write_bytes(content)


def attester(machine: Machine) -> DpuAttester:
    return open_attester(machine)


def test_report_data_is_signed_by_the_alias_key(machine: Machine) -> None:
    found = msgspec.json.decode(attester(machine).evidence(REPORT_DATA))
    (device,) = found["devices"]
    assert found["version"] == 1
    assert device["architecture"] == "bluefield3"
    assert msgspec.convert(device["alias_cert"], bytes) == b"alias"
    assert msgspec.convert(device["device_id_cert"], bytes) == b"device"
    signature = msgspec.convert(device["report_data_signature"], bytes)
    key = PrivateKey.from_scalar(SCALAR, Kind.P384)
    key.public.verify(signature, REPORT_DATA.ljust(64, b"\0"), "ES384")


@pytest.mark.parametrize("key", [b"", bytes(47), bytes(48), b"\xff" * 48, bytes(70_000)])
def test_key_that_is_none_is_refused(machine: Machine, key: bytes) -> None:
    put(machine, "/sys/kernel/security/tee/dice/alias_private_key", key)
    with pytest.raises(HostError, match="alias_private_key"):
        attester(machine).evidence(REPORT_DATA)


def test_dpu_that_shows_no_certificates_says_what_it_lacks(
    machine: Machine, tmp_path: Path
) -> None:
    machine.path("/sys/class/infiniband/mlx5_1/device/attestation/alias_cert").unlink()
    with pytest.raises(HostError, match="DOCA"):
        attester(machine).evidence(REPORT_DATA)
    with pytest.raises(HostError, match="BlueField-3"):
        open_attester(Machine.this({}, root=tmp_path / "none")).evidence(REPORT_DATA)


def test_too_much_report_data_is_refused(machine: Machine) -> None:
    with pytest.raises(InputError, match="65 bytes"):
        attester(machine).evidence(bytes(65))
