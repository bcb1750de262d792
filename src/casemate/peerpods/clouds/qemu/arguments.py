"""QEMU's and swtpm's command lines: pure, so that tests read them and people can repeat them.

What of them is measured: the firmware (PCR 0), its boot variables (PCR 1) and the UKI (PCR 4, 9,
11). Disks and network card leave no trace in the PCRs, as long as no option ROM comes along.
"""

from pathlib import Path
from typing import Final

import msgspec

from casemate.peerpods.clouds.qemu.acceleration import Accelerator, cpu_model, escape
from casemate.wire.forwarder import PORT

LOOPBACK: Final = "127.0.0.1"

_SANDBOX: Final = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
"""A guest that breaks out of its devices finds a process that starts nothing and gains nothing."""


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """A raw disk; the guest knows it by ``serial`` (``/sys/block/vd*/serial``)."""

    serial: str
    file: Path
    read_only: bool


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One VM, planned. ``tpm`` is the descriptor of swtpm's control channel."""

    name: str
    accelerator: Accelerator
    vcpus: int
    memory: int
    """MiB."""
    firmware_code: Path
    firmware_variables: Path
    """This VM's own copy, written by the firmware."""
    uki: Path
    disks: tuple[Disk, ...]
    tpm: int
    port: int
    """Loopback port of this machine that leads to the guest's forwarder."""


def qemu(machine: Machine) -> list[str]:
    """Plan QEMU's command line. Its standard output is the guest's serial console.

    Never ``-append`` or ``-initrd``: systemd-stub would take them, and PCR 12 would show it.
    """
    return [
        "qemu-system-x86_64",
        *("-name", machine.name),
        *("-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"),
        *("-sandbox", _SANDBOX),
        *("-machine", "q35,smm=off,vmport=off,graphics=off"),
        *("-accel", _accelerator(machine.accelerator), "-cpu", cpu_model(machine.accelerator)),
        *("-smp", str(machine.vcpus), "-m", str(machine.memory)),
        *_flash(0, machine.firmware_code, read_only=True),
        *_flash(1, machine.firmware_variables, read_only=False),
        *("-kernel", str(machine.uki)),
        *("-chardev", f"socket,id=tpm,fd={machine.tpm}"),
        *("-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0"),
        *(word for disk in machine.disks for word in _disk(disk)),
        *("-netdev", f"user,id=net0,hostfwd=tcp:{LOOPBACK}:{machine.port}-:{PORT}"),
        *("-device", "virtio-net-pci,netdev=net0,romfile="),
        *("-device", "virtio-rng-pci", "-serial", "stdio"),
    ]


def swtpm(state: Path, control: int) -> list[str]:
    """Plan the TPM emulator's command line; it ends when its control channel closes.

    ``state`` is absolute and free of commas; ``control`` is a descriptor it inherits.
    """
    return [
        *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state},mode=0600"),
        *("--ctrl", f"type=unixio,clientfd={control}", "--terminate"),
    ]


def _accelerator(accelerator: Accelerator) -> str:
    return "tcg,thread=multi" if accelerator is Accelerator.TCG else accelerator.value


def _flash(unit: int, file: Path, *, read_only: bool) -> tuple[str, str]:
    mode = "readonly=on" if read_only else "readonly=off"
    return "-drive", f"if=pflash,unit={unit},format=raw,{mode},file={escape(file)}"


def _disk(disk: Disk) -> tuple[str, ...]:
    """A full host disk is an error to the guest, not a pause for ever (``werror=report``)."""
    mode = "readonly=on" if disk.read_only else "readonly=off,cache=unsafe,discard=unmap"
    drive = f"if=none,id={disk.serial},format=raw,{mode},werror=report,file={escape(disk.file)}"
    return "-drive", drive, "-device", f"virtio-blk-pci,drive={disk.serial},serial={disk.serial}"
