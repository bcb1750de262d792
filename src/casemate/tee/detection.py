"""Where each TEE would be found, looked at cheaply: no device code is loaded to say "not here".

A probe gives None when its TEE is here, and else says why not, in words for the person who
expected it (tee §1.1).
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

from casemate.errors import CasemateError, HostError
from casemate.tee.machine import Machine

TSM: Final = Path("/sys/kernel/config/tsm/report")
TDX: Final = Path("/dev/tdx_guest")
SNP: Final = Path("/sys/devices/platform/sev-guest")
CSV: Final = Path("/dev/csv-guest")
GRAMINE: Final = Path("/dev/attestation/attestation_type")
SECURE_EXECUTION: Final = Path("/sys/firmware/uv/prot_virt_guest")
VENDOR: Final = Path("/sys/class/dmi/id/sys_vendor")
NVIDIA: Final = Path("/dev/nvidiactl")
MKFD: Final = Path("/dev/mkfd")
KFD_NODES: Final = Path("/sys/devices/virtual/kfd/kfd/topology/nodes")
PCI: Final = Path("/sys/bus/pci/devices")
ADAPTERS: Final = Path("/sys/class/infiniband")
_AZURE: Final = "Microsoft Corporation"
_MELLANOX: Final = "15b3"
_BLUEFIELD: Final = frozenset({"a2dc", "a2da"})
_LONGEST: Final = 4096

Why = str | None


class Probes:
    """The probes of one machine; what several of them need is looked at once."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def tdx(self) -> Why:
        if self._provider == "tdx_guest" or self._exists(TDX):
            return None
        return f"no {TDX}, and {self._tsm_says}"

    def sgx(self) -> Why:
        if "OCCLUM" in self.machine.environ:
            return None
        kind = self._read(GRAMINE)
        if kind == "dcap":
            return None
        gramine = f"{GRAMINE} says {kind!r}" if kind else f"no {GRAMINE}"
        return f"{gramine}, and OCCLUM is not set"

    def az_tdx_vtpm(self) -> Why:
        return self._azure("TDX")

    def az_snp_vtpm(self) -> Why:
        return self._azure("SNP")

    def snp(self) -> Why:
        return self._missing(SNP)

    def csv(self) -> Why:
        return self._missing(CSV)

    def cca(self) -> Why:
        if self.machine.architecture != "aarch64":
            return f"{self.machine.architecture}, not aarch64"
        return None if self._provider == "arm_cca_guest" else self._tsm_says

    def se(self) -> Why:
        if self.machine.architecture != "s390x":
            return f"{self.machine.architecture}, not s390x"
        flag = self._read(SECURE_EXECUTION)
        if flag.startswith("1"):
            return None
        return f"{SECURE_EXECUTION} says {flag!r}" if flag else f"no {SECURE_EXECUTION}"

    def tpm(self) -> Why:
        """Look for a device; whether it has a key is seen when it is opened."""
        from casemate.tee.vtpm.attester import DEVICES, find_device

        if find_device(self.machine.environ, root=self.machine.root) is not None:
            return None
        return f"no {self.machine.environ.get('AA_TPM_DEVICE') or ', '.join(DEVICES)}"

    def sample(self) -> Why:
        return None

    def nvidia(self) -> Why:
        if not self._exists(NVIDIA):
            return f"no {NVIDIA}: no NVIDIA driver is loaded"
        from casemate.tee.nvidia.attester import open_attester

        return open_attester(self.machine).why_not()

    def sampledevice(self) -> Why:
        here = "ENABLE_SAMPLE_DEVICE" in self.machine.environ
        return None if here else "ENABLE_SAMPLE_DEVICE is not set"

    def hygondcu(self) -> Why:
        if not self._exists(MKFD):
            return f"no {MKFD}"
        nodes = self.machine.path(KFD_NODES)
        return None if any(_children(nodes)) else f"no node in {KFD_NODES}"

    def nvidia_dpu(self) -> Why:
        if not self._exists(ADAPTERS):
            return f"no {ADAPTERS}"
        for device in _children(self.machine.path(PCI)):
            vendor, model = (
                _text(device / name).removeprefix("0x").lower() for name in ("vendor", "device")
            )
            if vendor == _MELLANOX and model in _BLUEFIELD:
                return None
        return f"no BlueField-3 in {PCI}"

    @cached_property
    def _tsm(self) -> tuple[str, str]:
        """Name of configfs-tsm's provider, and in words what was found."""
        if not self._exists(TSM):
            return "", f"no {TSM}"
        from casemate.linux.configfs_tsm import ConfigfsTsm

        try:
            provider = ConfigfsTsm(self.machine.path(TSM)).provider()
        except HostError as error:
            return "", str(error)
        return provider, f"configfs-tsm's provider is {provider}"

    @property
    def _provider(self) -> str:
        return self._tsm[0]

    @property
    def _tsm_says(self) -> str:
        return self._tsm[1]

    def _azure(self, wanted: str) -> Why:
        why, found = self._paravisor
        if why is not None:
            return why
        return None if found == wanted else f"Azure's paravisor reports {found}, not {wanted}"

    @cached_property
    def _paravisor(self) -> tuple[Why, str]:
        """Why there is no report of Azure's paravisor; else the kind of hardware below it."""
        vendor = self._read(VENDOR)
        if vendor and vendor != _AZURE:
            return f"a machine of {vendor}, not of {_AZURE}", ""
        if (why := self.tpm()) is not None:
            return f"{why}, so no vTPM of Azure", ""
        from casemate.tee.azure.opening import kind

        try:
            found = kind(self.machine)
        except CasemateError as error:
            return str(error), ""
        return ("no report of a paravisor in the TPM", "") if found is None else (None, found.name)

    def _missing(self, path: Path) -> Why:
        return None if self._exists(path) else f"no {path}"

    def _exists(self, path: Path) -> bool:
        return self.machine.path(path).exists()

    def _read(self, path: Path) -> str:
        return _text(self.machine.path(path))


def _text(file: Path) -> str:
    """Give a small file's text; nothing where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(_LONGEST).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _children(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return
