"""QEMU's options for a VM in its own hardware: SEV-SNP and TDX, with the initdata bound at launch.

Pure, and generated from the same facts that the verifiers check: the policy forbids debugging and
migration, HOST_DATA and MRCONFIGID hold the initdata's digest (tee §1.2), and the VMM hands the UKI
to the firmware by its hash. QEMU knows ``sev-snp-guest`` since 9.1 and ``tdx-guest`` since 10.1.
We never started one: no machine of ours has such a processor.
"""

from base64 import b64encode
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.peerpods.clouds.qemu.acceleration import escape
from casemate.tee.evidence import fitted

HOST_DATA_SIZE: Final = 32
"""Bytes of SNP's HOST_DATA."""
MRCONFIGID_SIZE: Final = 48
"""Bytes of TDX's MRCONFIGID."""

SNP_POLICY: Final = 0x30000
"""Bit 17, which must be one, and bit 16: the host may use simultaneous multithreading. Debugging
(19), a migration agent (18) and older ABIs than any are what the zeros forbid or leave open."""
SNP_MODEL: Final = "EPYC-v4"
"""The processor that a guest sees: part of its measurement, so the same on every host."""
_C_BIT: Final = 51
_REDUCED_BITS: Final = 1


class Hardware(StrEnum):
    """Whose protection a VM is started with."""

    SNP = "snp"
    TDX = "tdx"


class ConfidentialLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """What a protected VM is started with, beside disks and network."""

    hardware: Hardware
    firmware: Path
    """OVMF with the platform's metadata, code and variables in one; measured, so read-only."""
    memory: int
    """MiB."""
    init_data: Digest | None
    """Bound by the hardware; None leaves zeros, which say that there is none."""


def options(launch: ConfidentialLaunch) -> list[str]:
    """Plan the options that take the place of ``-machine``, ``-accel``, ``-cpu`` and flash."""
    match launch.hardware:
        case Hardware.SNP:
            protection, model = _snp(launch), SNP_MODEL
            machine = "q35,smm=off,vmport=off,graphics=off"
        case Hardware.TDX:
            protection, model = _tdx(launch), "host"
            machine = "q35,smm=off,vmport=off,graphics=off,kernel-irqchip=split"
    return [
        *("-machine", f"{machine},confidential-guest-support=tee,memory-backend=memory"),
        *("-accel", "kvm", "-cpu", model),
        *("-object", f"memory-backend-memfd,id=memory,size={launch.memory}M,share=on"),
        *("-object", protection),
        *("-bios", escape(launch.firmware)),
    ]


def _snp(launch: ConfidentialLaunch) -> str:
    parts = {
        "policy": f"{SNP_POLICY:#x}",
        "cbitpos": str(_C_BIT),
        "reduced-phys-bits": str(_REDUCED_BITS),
        "kernel-hashes": "on",
        "host-data": _bound(launch.init_data, HOST_DATA_SIZE),
    }
    return "sev-snp-guest,id=tee," + ",".join(f"{name}={value}" for name, value in parts.items())


def _tdx(launch: ConfidentialLaunch) -> str:
    return f"tdx-guest,id=tee,mrconfigid={_bound(launch.init_data, MRCONFIGID_SIZE)}"


def _bound(digest: Digest | None, width: int) -> str:
    return b64encode(fitted(digest.value if digest else b"", width)).decode("ascii")
