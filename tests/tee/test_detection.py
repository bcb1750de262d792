"""Detection on machines that are trees of plain files: what is picked, and why nothing else is."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import HostError, InputError
from casemate.linux.tpm import EmulatedTpm
from casemate.tee import attesters, detection
from casemate.tee.attesters import (
    DEVICES,
    PRIMARY,
    Finding,
    detect,
    detect_and_tell,
    detect_devices,
    explain,
)
from casemate.tee.detection import Probes
from casemate.tee.machine import Machine
from casemate.tee.verifiers import VERIFIERS
from casemate.tee.vtpm.attester import open_attester
from casemate.trace import Station
from casemate.wire.console import ConsoleEvent, EventKind, encode, parse
from tests.sim.devices.tpm_node import tpm_node
from tests.sim.swtpm import booted, manufactured, require_swtpm

PLATFORM = CertificateAuthority.create("platform")
SNP = "/sys/devices/platform/sev-guest"


def put(root: Path, *files: str, text: str = "") -> Path:
    for file in files:
        path = root / file.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def found(root: Path, environ: Mapping[str, str] | None = None) -> dict[str, Finding]:
    return {f.tee: f for f in explain(environ or {}, root=root) if f.kind == "primary"}


def devices(root: Path, environ: Mapping[str, str] | None = None) -> dict[str, Finding]:
    return {f.tee: f for f in explain(environ or {}, root=root) if f.kind == "device"}


def test_rows_stand_in_upstreams_order_and_have_verifiers() -> None:
    order = "tdx sgx az-tdx-vtpm az-snp-vtpm snp csv cca se tpm sample"
    assert [row.tee for row in PRIMARY] == order.split()
    beside = "nvidia sampledevice hygondcu nvidia-dpu tpm"
    assert [row.tee for row in DEVICES] == beside.split()
    assert {row.tee for row in (*PRIMARY, *DEVICES)} == set(VERIFIERS)


@pytest.mark.parametrize("row", dict.fromkeys((*PRIMARY, *DEVICES)), ids=lambda row: row.tee)
def test_every_attester_can_be_loaded(row: attesters.Row) -> None:
    code = f"import importlib; importlib.import_module('{row.module}').{row.opener}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_bare_machine_says_of_everything_why_not(tmp_path: Path) -> None:
    said = explain({}, root=tmp_path)
    assert [f.tee for f in said if f.picked] == ["sample"]
    assert next(f for f in said if f.picked).why == "no other was found; it proves nothing"
    reasons = {f.tee: f.why for f in said if f.kind == "primary"}
    assert reasons["tdx"] == "no /dev/tdx_guest, and no /sys/kernel/config/tsm/report"
    assert "OCCLUM is not set" in reasons["sgx"]
    assert reasons["snp"] == f"no {SNP}"
    assert reasons["csv"] == "no /dev/csv-guest"
    assert "aarch64" in reasons["cca"]
    assert "s390x" in reasons["se"]
    assert "/dev/tpmrm0" in reasons["tpm"]
    assert "/dev/tpmrm0" in reasons["az-snp-vtpm"]
    beside = {f.tee: f.why for f in said if f.kind == "device"}
    assert "no NVIDIA driver" in beside["nvidia"]
    assert beside["sampledevice"] == "ENABLE_SAMPLE_DEVICE is not set"
    assert beside["hygondcu"] == "no /dev/mkfd"
    assert beside["nvidia-dpu"] == "no /sys/class/infiniband"


@pytest.mark.parametrize(
    ("tee", "file", "text"),
    [
        ("tdx", "/dev/tdx_guest", ""),
        ("sgx", "/dev/attestation/attestation_type", "dcap"),
        ("snp", SNP, ""),
        ("csv", "/dev/csv-guest", ""),
    ],
)
def test_device_is_enough_to_be_picked(tmp_path: Path, tee: str, file: str, text: str) -> None:
    put(tmp_path, file, text=text)
    assert detect({}, root=tmp_path).tee == tee
    said = found(tmp_path)
    assert said[tee].why == "found"
    later = [row.tee for row in PRIMARY][[row.tee for row in PRIMARY].index(tee) + 1 :]
    assert {said[name].why for name in later} == {f"{tee} comes first"}


def test_first_of_several_is_picked(tmp_path: Path) -> None:
    put(tmp_path, "/dev/csv-guest", SNP)
    assert detect({}, root=tmp_path).tee == "snp"
    put(tmp_path, "/dev/tdx_guest")
    assert detect({}, root=tmp_path).tee == "tdx"


def test_occlum_says_so_itself(tmp_path: Path) -> None:
    assert detect({"OCCLUM": "yes"}, root=tmp_path).tee == "sgx"
    put(tmp_path, "/dev/attestation/attestation_type", text="epid\n")
    assert "'epid'" in found(tmp_path)["sgx"].why


class Provider(Probes):
    """Probes of a machine whose configfs-tsm was asked already."""

    def __init__(self, machine: Machine, provider: str) -> None:
        super().__init__(machine)
        self.__dict__["_tsm"] = (provider, f"configfs-tsm's provider is {provider}")


def machine(architecture: str, root: Path, environ: Mapping[str, str] | None = None) -> Machine:
    return Machine(root=root, environ=environ or {}, architecture=architecture)


def test_provider_of_configfs_decides(tmp_path: Path) -> None:
    intel, arm = machine("x86_64", tmp_path), machine("aarch64", tmp_path)
    assert Provider(intel, "tdx_guest").tdx() is None
    assert "provider is sev_guest" in str(Provider(intel, "sev_guest").tdx())
    assert Provider(arm, "arm_cca_guest").cca() is None
    assert "provider is tdx_guest" in str(Provider(arm, "tdx_guest").cca())
    assert "x86_64" in str(Provider(intel, "arm_cca_guest").cca())


def test_folder_that_is_no_configfs_says_so(tmp_path: Path) -> None:
    (tmp_path / "sys/kernel/config/tsm/report").mkdir(parents=True)
    assert "provider" in found(tmp_path)["tdx"].why


def test_secure_execution_is_a_flag_of_the_kernel(tmp_path: Path) -> None:
    z = machine("s390x", tmp_path)
    assert "prot_virt_guest" in str(Probes(z).se())
    put(tmp_path, "/sys/firmware/uv/prot_virt_guest", text="0\n")
    assert "'0'" in str(Probes(z).se())
    put(tmp_path, "/sys/firmware/uv/prot_virt_guest", text="1\n")
    assert Probes(z).se() is None


def test_machine_of_another_vendor_is_not_asked_for_a_paravisor(tmp_path: Path) -> None:
    put(tmp_path, "/sys/class/dmi/id/sys_vendor", text="QEMU\n")
    put(tmp_path, "/dev/tpm0")
    assert "machine of QEMU" in found(tmp_path)["az-snp-vtpm"].why


def test_node_that_is_no_tpm_is_no_tpm(tmp_path: Path) -> None:
    put(tmp_path, "/dev/tpm0")
    assert detect({}, root=tmp_path).tee == "sample"
    said = found(tmp_path)
    assert "TPM answer" in said["tpm"].why
    assert "TPM answer" in said["az-tdx-vtpm"].why


def test_chosen_tpm_is_the_only_one_looked_for(tmp_path: Path) -> None:
    put(tmp_path, "/dev/tpm0")
    assert found(tmp_path, {"AA_TPM_DEVICE": "/dev/other"})["tpm"].why == "no /dev/other"


def test_handle_that_is_no_number_is_the_users_mistake(tmp_path: Path) -> None:
    put(tmp_path, "/dev/tpm0")
    with pytest.raises(InputError, match="AA_TPM_AK_HANDLE: got moon, want a handle in hex"):
        detect({"AA_TPM_AK_HANDLE": "moon"}, root=tmp_path)


def test_tpm_that_went_away_since_it_was_seen_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="TPM: got no device"):
        open_attester(Machine(root=tmp_path, environ={}, architecture="x86_64"))


@pytest.fixture
def tpm(tmp_path: Path) -> Iterator[EmulatedTpm]:
    require_swtpm()
    manufactured(tmp_path / "state", PLATFORM)
    with booted(tmp_path / "state") as transport, tpm_node(tmp_path / "dev/tpmrm0", transport):
        yield transport


@pytest.mark.usefixtures("tpm")
def test_tpm_with_a_key_is_picked_and_one_without_is_not(tmp_path: Path) -> None:
    picked = detect({}, root=tmp_path)
    assert picked.tee == "tpm"
    assert "tpm_quote" in json.loads(picked.evidence(b"nonce"))
    assert found(tmp_path)["az-snp-vtpm"].why == "no report of a paravisor in the TPM"
    assert found(tmp_path, {"AA_TPM_AK_HANDLE": "0x81010099"})["tpm"].picked is False


@pytest.mark.usefixtures("tpm")
def test_fall_through_of_a_tpm_without_the_key_to_sample_is_told(tmp_path: Path) -> None:
    found = detect_and_tell({"AA_TPM_AK_HANDLE": "0x81010099"}, root=tmp_path)
    assert found.attester.tee == "sample"
    told = found.told()
    assert told.startswith("picked sample, which proves nothing. tdx: no /dev/tdx_guest")
    assert "; tpm: attestation key 0x81010099, TPM2_ReadPublic: got TPM response code" in told
    assert [one.tee for one in found.passed_over] == [row.tee for row in PRIMARY[:-1]]


def test_story_of_detection_is_one_line_that_fits_the_console(tmp_path: Path) -> None:
    put(tmp_path, "/dev/tpm0")
    note = detect_and_tell({}, root=tmp_path).told()
    assert all(f" {row.tee}: " in note for row in PRIMARY[:-1])
    event = ConsoleEvent(kind=EventKind.NOTE, station=Station.INITDATA, note=note)
    again = parse(encode(event).rstrip(b"\n"))
    assert again is not None
    assert again.note == note
    assert "\n" not in note


def test_tee_that_is_found_is_told_with_those_before_it(tmp_path: Path) -> None:
    put(tmp_path, SNP)
    told = detect_and_tell({}, root=tmp_path).told()
    assert told.startswith("picked snp. tdx: no /dev/tdx_guest")
    assert "csv" not in told
    put(tmp_path, "/dev/tdx_guest")
    assert detect_and_tell({}, root=tmp_path).told() == "picked tdx"


@pytest.mark.usefixtures("tpm")
def test_tpm_is_a_device_only_beside_a_tee_without_registers_of_its_own(tmp_path: Path) -> None:
    assert detect_devices("tpm", {}, root=tmp_path) == ()
    assert detect_devices("tdx", {}, root=tmp_path) == ()
    assert [d.tee for d in detect_devices("snp", {}, root=tmp_path)] == ["tpm"]
    assert devices(tmp_path)["tpm"].why == "beside tpm a TPM is no device"
    put(tmp_path, SNP)
    assert devices(tmp_path)["tpm"].picked


def test_devices_are_found_in_order(tmp_path: Path) -> None:
    put(tmp_path, "/dev/mkfd", "/sys/devices/virtual/kfd/kfd/topology/nodes/0/gpu_id")
    put(tmp_path, "/sys/bus/pci/devices/0/vendor", text="0x15B3\n")
    put(tmp_path, "/sys/bus/pci/devices/0/device", text="0xa2dc\n")
    environ = {"ENABLE_SAMPLE_DEVICE": ""}
    assert "infiniband" in devices(tmp_path)["nvidia-dpu"].why
    (tmp_path / "sys/class/infiniband").mkdir(parents=True)
    names = [d.tee for d in detect_devices("sample", environ, root=tmp_path)]
    assert names == ["sampledevice", "hygondcu", "nvidia-dpu"]


def test_card_that_is_no_bluefield_is_none(tmp_path: Path) -> None:
    (tmp_path / "sys/class/infiniband").mkdir(parents=True)
    put(tmp_path, "/dev/mkfd", "/dev/nvidiactl", "/sys/bus/pci/devices/0/device")
    put(tmp_path, "/sys/bus/pci/devices/0/vendor", text="0x15b3\n")
    said = devices(tmp_path)
    assert "BlueField" in said["nvidia-dpu"].why
    assert "no node" in said["hygondcu"].why
    assert "libnvidia-ml" in said["nvidia"].why


SCRIPT = """
import sys
from pathlib import Path
import casemate.guest.lean
from casemate.tee import attesters
attesters.detect({}, root=Path(sys.argv[1]))
attesters.detect_devices("tpm", {}, root=Path(sys.argv[1]))
print(*(name for name in sys.modules if name.startswith("casemate.")))
"""


def test_no_attester_is_loaded_that_is_not_picked(tmp_path: Path) -> None:
    put(tmp_path, SNP)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "casemate.tee.snp.attester" in loaded
    rows = {row.module for row in (*PRIMARY, *DEVICES)} - {"casemate.tee.snp.attester"}
    assert not loaded & (rows - {"casemate.tee.vtpm.attester"})
    assert "casemate.linux.nvml" not in loaded
    assert detection.__name__ in loaded
