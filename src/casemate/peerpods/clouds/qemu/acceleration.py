"""Whether KVM works here: found out by booting something tiny, not by ``/dev/kvm`` being there.

On some machines KVM opens and then hangs every stock kernel. The boot sector below does what they
do (long mode with paging), says so on the serial port and ends; a machine that fails it gets TCG.
"""

import os
import platform
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from casemate import files
from casemate.errors import MALFORMED_JSON, HostError, InputError, quote
from casemate.linux.process import run_async
from casemate.linux.program import find

SECONDS: Final = 3.0
"""How long the boot sector may take. It needs 0.2 s, emulated."""

_SECTOR: Final = bytes.fromhex(  # assembled from probe.s beside this file
    "fa31c08ed88ec08ed0bc007cfcbf00106631c0b9000c66f3abc70600100320c70600200330c706003083"
    "000f0116b07c66b8200000000f22e066b8001000000f22d866b9800000c00f32660d000100000f300f20"
    "c0660d010000800f22c0ea637c0800b8100000008ed88ec08ed0be8c7c0000baf8030000b909000000ac"
    "eee2fcbaf4000000b010eef4ebfd636173656d6174650a0f1f000000000000000000ffff0000009aaf00"
    "ffff00000092cf001700987c"
)
_MESSAGE: Final = b"casemate\n"
ENDED: Final = 0x10 * 2 + 1
"""QEMU's status when the sector has ended it through isa-debug-exit."""
_DEVICE: Final = Path("/dev/kvm")


class Accelerator(StrEnum):
    """How QEMU runs the guest's instructions."""

    KVM = "kvm"
    TCG = "tcg"


class Acceleration(msgspec.Struct, frozen=True):
    """What this machine runs VMs with, and how that is known."""

    accelerator: Accelerator
    reason: str

    def __str__(self) -> str:
        names = {Accelerator.KVM: "KVM", Accelerator.TCG: "TCG (emulation)"}
        return f"{names[self.accelerator]}: {self.reason}"


class _Remembered(msgspec.Struct, frozen=True):
    machine: str
    found: Acceleration


def cpu_model(accelerator: Accelerator) -> str:
    """QEMU's CPU model that the provider uses, and the probe with it.

    Emulated, two features cost and give nothing. ``erms`` makes kernel and C library move memory
    by single bytes, since processors do that fast, and an emulator does not; ``la57`` adds a fifth
    level of page tables to every walk, for machines of more than 64 TiB.
    """
    return "host" if accelerator is Accelerator.KVM else "max,-erms,-la57"


async def choose(wish: str, *, cache: Path | None = None) -> Accelerator:
    """Give what ``wish`` (``auto``, ``kvm`` or ``tcg``) means on this machine.

    Raises:
        InputError: another word.
        HostError: KVM is wished for and does not work here, or QEMU is not installed.
    """
    if wish == "auto":
        return (await probe(cache=cache)).accelerator
    if wish not in set(Accelerator):
        raise InputError("--accel", got=wish, want="auto, kvm or tcg")
    if wish == Accelerator.KVM and (fault := await _fault(Accelerator.KVM)) is not None:
        raise HostError("--accel kvm", got=fault, want="a working KVM", remedy="Use --accel tcg.")
    return Accelerator(wish)


async def probe(*, cache: Path | None = None) -> Acceleration:
    """Find out; at most 3 s. With ``cache`` the answer is kept in that folder for this machine.

    Raises:
        HostError: QEMU is not installed.
    """
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        missing = "no /dev/kvm" if not _DEVICE.exists() else "no access to /dev/kvm"
        return Acceleration(Accelerator.TCG, missing)
    machine = _machine()
    file = cache / "acceleration.json" if cache is not None else None
    if file is not None and (known := _read(file, machine)) is not None:
        return known
    fault = await _fault(Accelerator.KVM)
    found = (
        Acceleration(Accelerator.KVM, "a boot sector ran in long mode")
        if fault is None
        else Acceleration(Accelerator.TCG, f"KVM opens but does not work: {fault}")
    )
    if file is not None:
        _write(file, _Remembered(machine, found))
    return found


async def _fault(accelerator: Accelerator) -> str | None:
    """Boot the sector; give what went wrong, or None."""
    with tempfile.TemporaryDirectory(prefix="casemate-probe-") as folder:
        disk = Path(folder) / "sector"
        disk.write_bytes(sector())
        try:
            done = await run_async(arguments(accelerator, disk), timeout=SECONDS, check=False)
        except HostError as error:
            return f"it hangs ({error.got})"
    if done.status == ENDED and _MESSAGE in done.stdout:
        return None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return quote(said[0] if said else f"status {done.status}")


def sector() -> bytes:
    """The boot sector, 512 bytes."""
    return _SECTOR.ljust(510, b"\0") + b"\x55\xaa"


def arguments(accelerator: Accelerator, disk: Path) -> list[str]:
    """Plan the probe's command line."""
    return [
        "qemu-system-x86_64",
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-accel", accelerator.value, "-cpu", cpu_model(accelerator), "-m", "16"),
        *("-drive", f"if=floppy,format=raw,readonly=on,file={escape(disk)}", "-boot", "a"),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-serial", "stdio"),
    ]


def escape(path: Path) -> str:
    """Write a path as a value of a QEMU option: commas are doubled."""
    return str(path).replace(",", ",,")


def _machine() -> str:
    """Name what the answer depends on: this boot, its kernel, and QEMU's version."""
    qemu = find("qemu-system-x86_64")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    status = qemu.stat()
    return f"{boot} {platform.release()} {qemu} {status.st_size} {status.st_mtime_ns}"


def _read(file: Path, machine: str) -> Acceleration | None:
    try:
        known = msgspec.json.decode(file.read_bytes(), type=_Remembered)
    except (OSError, *MALFORMED_JSON):
        return None  # nothing kept, or not by us: probing again mends it
    return known.found if known.machine == machine else None


def _write(file: Path, known: _Remembered) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    files.replace(file, msgspec.json.encode(known))
