import ctypes
from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import pytest

from casemate.errors import HostError
from casemate.linux import nscq, nvml
from casemate.tee.machine import Machine
from casemate.tee.nvidia.attester import NvidiaAttester, open_attester
from tests.sim.devices.nvidia import build
from tests.sim.simulated_tee import SimulatedTee

REPORT_DATA = bytes(range(48))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("nvidia"))


@pytest.fixture
def attester(library: ctypes.CDLL) -> NvidiaAttester:
    return NvidiaAttester(with_switches=True, gpu_library=library, switch_library=library)


def devices(evidence: bytes) -> list[dict[str, Any]]:
    found = msgspec.json.decode(evidence)
    assert set(found) == {"device_evidence_list"}
    return list(found["device_evidence_list"])


def test_gpus_and_switches_report_the_nonce(attester: NvidiaAttester, library: ctypes.CDLL) -> None:
    gpu, switch = devices(attester.evidence(REPORT_DATA))
    assert (gpu["arch"], gpu["uuid"]) == ("HOPPER", "GPU-1000")
    assert b64decode(gpu["evidence"]) == REPORT_DATA[:32] + b"report"
    assert b64decode(gpu["certificate"]) == b"chain"
    assert (switch["arch"], switch["uuid"]) == ("LS10", "SWX-01")
    assert b64decode(switch["evidence"]) == REPORT_DATA[:32] + b"switches"
    assert b64decode(switch["certificate"]) == b"chain"
    assert (library.fake_open_count(), library.fake_sessions()) == (0, 0)


def test_report_of_a_gpu_is_verified(
    library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tee = SimulatedTee("nvidia", report_data=REPORT_DATA.hex())
    tee.binary()
    assert tee.last is not None
    (device,) = devices(tee.last.evidence)
    for name, member in (("FAKE_REPORT", "evidence"), ("FAKE_CHAIN", "certificate")):
        (tmp_path / name).write_bytes(b64decode(device[member]))
        monkeypatch.setenv(name, str(tmp_path / name))
    made = NvidiaAttester(with_switches=False, gpu_library=library)
    found = tee.accepted(made.evidence(REPORT_DATA), REPORT_DATA)
    assert (found.tee, found.tee_class) == ("nvidia", "gpu")


def test_short_report_data_is_padded(attester: NvidiaAttester) -> None:
    gpu, _ = devices(attester.evidence(b"short"))
    assert b64decode(gpu["evidence"])[:32] == b"short".ljust(32, b"\0")


def test_devices_that_cannot_attest_are_left_out(
    attester: NvidiaAttester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_GPUS", "3")
    monkeypatch.setenv("FAKE_SWITCHES", "3")
    monkeypatch.setenv("FAKE_ARCH", "10")
    found = [(d["arch"], d["uuid"]) for d in devices(attester.evidence(REPORT_DATA))]
    assert found == [
        ("BLACKWELL", "GPU-1000"),
        ("BLACKWELL", "GPU-1002"),
        ("LS10", "SWX-01"),
        ("LS10", "SWX-03"),
    ]


def test_machine_without_devices_gives_no_evidence(
    attester: NvidiaAttester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_GPUS", "0")
    monkeypatch.setenv("FAKE_SWITCHES", "0")
    with pytest.raises(HostError, match="no device"):
        attester.evidence(REPORT_DATA)


@pytest.mark.parametrize(
    "function",
    [
        "nvmlInit_v2",
        "nvmlDeviceGetCount_v2",
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlDeviceGetArchitecture",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetConfComputeGpuAttestationReport",
        "nvmlDeviceGetConfComputeGpuCertificate",
        "nscq_session_create",
        "nscq_session_set_input",
        "nscq_uuid_to_label",
        "/drv/nvswitch/{device}/uuid",
        "/SWX-01/id/arch",
        "/SWX-01/config/attestation_report",
        "/SWX-01/config/certificate",
    ],
)
def test_call_that_fails_is_named_and_nothing_is_left_open(
    function: str,
    attester: NvidiaAttester,
    library: ctypes.CDLL,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAKE_FAIL", function)
    with pytest.raises(HostError) as caught:
        attester.evidence(REPORT_DATA)
    assert function in str(caught.value)
    assert library.fake_sessions() == 0


@pytest.mark.parametrize("code", ["-1", "-128"])
def test_error_of_one_switch_is_an_error(
    code: str, attester: NvidiaAttester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CODE", code)
    with pytest.raises(HostError, match=code):
        attester.evidence(REPORT_DATA)


@pytest.mark.parametrize("size", ["0", "100000"])
def test_impossible_size_is_refused(
    size: str, library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SIZE", size)
    for gpus in ("1", "0"):
        monkeypatch.setenv("FAKE_GPUS", gpus)
        made = NvidiaAttester(with_switches=True, gpu_library=library, switch_library=library)
        with pytest.raises(HostError, match=r"bytes|empty"):
            made.evidence(REPORT_DATA)


def test_why_there_is_nothing_to_attest(
    attester: NvidiaAttester, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attester.why_not() is None
    monkeypatch.setenv("FAKE_ARCH", "8")
    assert attester.why_not() == "no GPU of a generation that attests"
    monkeypatch.setenv("FAKE_CC", "0")
    assert attester.why_not() == "the driver's confidential mode is off"
    monkeypatch.setenv("FAKE_FAIL", "nvmlInit_v2")
    assert "nvmlInit_v2" in str(attester.why_not())


def test_machine_without_the_libraries_says_so(tmp_path: Path) -> None:
    made = open_attester(Machine.this({}, root=tmp_path))
    assert "libnvidia-ml" in str(made.why_not())
    with pytest.raises(HostError, match="nscq"), nscq.opened():
        pass


def test_driver_without_confidential_mode_says_so() -> None:
    with pytest.raises(HostError, match="nvmlInit_v2"), nvml.opened(ctypes.CDLL(None)):
        pass
