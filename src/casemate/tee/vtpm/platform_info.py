"""What OVMF's PlatformPei writes into its own volume before that volume is measured.

PEI code runs in place, so its variables lie inside the bytes PCR 0 holds. One structure there is
written (edk2-stable202211, ``EFI_HOB_PLATFORM_INFO``), and follows from the machine's shape.
"""

import hashlib
import struct
from typing import Final

import msgspec

from casemate.errors import InputError
from casemate.tee.vtpm.firmware_volume import FirmwareVolume

_PLATFORM_PEI: Final = bytes.fromhex("6d382c22bc5ab44fb124fbb82488acf4")
_STORE_WORD: Final = b"\x66\x89\x05"
"""``mov word [rip+disp32], ax``: PlatformPei's only one stores the host bridge's device id."""
_KNOWN_OFFSETS: Final = {
    # Debian 12's 4M build stores it through a register; found once in a running machine's memory.
    "471281a7d197d12ac61a810e5150b9b5ddc47be78ef0c24af7a8192c81b3a808": 0xE0D8,
}

_MIB: Final = 1 << 20
_Q35_DEVICE: Final = 0x29C0
_LOW_TOP: Final = 2 << 30
"""Where q35 cuts memory below 4 GiB once there is 2816 MiB or more."""
_LOW_LIMIT: Final = 2816 << 20
_LARGEST_MEMORY: Final = 28 << 30
_VCPUS: Final = range(1, 65)
_UNKNOWN_BITS: Final = 36
ADDRESS_BITS: Final = (36, 39, 40, 41, 42, 43, 44, 45, 46, 47)
"""What the firmware may settle on as width of a physical address."""
_FIRST_NON_ADDRESS: Final = 64 << 30
_S3_BASE_SIZE: Final = 0x80000
_S3_PER_CPU: Final = 0x8000
_FORMAT: Final = "<HQBIBBBHQBIIBQQQIIQQQIIIII"


class MachineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of a machine, as far as its launch measurements depend on it (QEMU, q35)."""

    memory_mib: int = 1024
    vcpus: int = 2
    physical_address_bits: int = 40
    """What the firmware believes of the virtual CPU. TCG always has 40; under KVM it is the host's
    number when that is 41 or more, 39 on Intel or 40 on AMD, and 36 otherwise."""
    crtm_version: str = ""
    """OVMF's firmware version string; Debian's is empty."""
    ima: bool = True
    """Whether the kernel has IMA, which extends PCR 10 once."""


def measured_pei_volume(volume: FirmwareVolume, machine: MachineFacts) -> bytes:
    """Give the PEI volume as Tcg2Pei hashes it.

    Raises:
        InputError: a build whose PlatformPei is not understood, or a machine of another shape.
    """
    at = _offset(volume)
    info = _platform_info(machine)
    if not 0 <= at <= len(volume.raw) - len(info):
        raise _error("an offset outside the volume", "a build of OVMF that is understood")
    return volume.raw[:at] + info + volume.raw[at + len(info) :]


def _offset(volume: FirmwareVolume) -> int:
    known = _KNOWN_OFFSETS.get(hashlib.sha256(volume.raw).hexdigest())
    if known is not None:
        return known
    body = next((f.body for f in volume.files() if f.guid == _PLATFORM_PEI), b"")
    at = body.find(_STORE_WORD)
    if at < 0 or body.find(_STORE_WORD, at + 1) >= 0:
        raise _error("a PlatformPei that is not understood", "Debian 12's OVMF")
    end = at + len(_STORE_WORD) + 4
    base = volume.raw.index(body)
    return base + end + int.from_bytes(body[end - 4 : end], "little", signed=True)


def _platform_info(machine: MachineFacts) -> bytes:
    low_top = _low_memory(machine)
    reserved = _S3_BASE_SIZE + _S3_PER_CPU * machine.vcpus
    window, window_size = _high_window(machine.physical_address_bits)
    info = struct.pack(
        _FORMAT,
        _Q35_DEVICE,
        *(0, 0, 0),  # no confidential guest, no SEV-ES, boot mode 0
        *(1, 0, 0, 0),  # S3 supported; no SMM
        _FIRST_NON_ADDRESS,
        machine.physical_address_bits,
        *(_LOW_TOP, 0),  # uncached from here, size computed later
        *(0, 0),
        *(window, window_size),
        *(0xC0000000, 0x3C000000),  # PCI window below 4 GiB
        *(0x6000, 0xA000),  # PCI ports
        0,
        *(machine.vcpus, machine.vcpus, 64),
        *(low_top - reserved, reserved),
    )
    return info + b"\x01\x01"  # fw_cfg is there, with DMA


def _high_window(bits: int) -> tuple[int, int]:
    """Where PCI's 64-bit window begins, and its size: the top eighth of a known address space."""
    if bits == _UNKNOWN_BITS:
        return 32 << 30, 32 << 30
    size = 1 << (bits - 3)
    return (1 << bits) - size, size


def _low_memory(machine: MachineFacts) -> int:
    memory = machine.memory_mib * _MIB
    if not (0 < memory <= _LOW_TOP or _LOW_LIMIT <= memory <= _LARGEST_MEMORY):
        raise _error(f"{machine.memory_mib} MiB", "up to 2048 MiB, or 2816 to 28672 MiB")
    if machine.vcpus not in _VCPUS or machine.physical_address_bits not in ADDRESS_BITS:
        raise _error(
            f"{machine.vcpus} vCPUs, {machine.physical_address_bits} address bits",
            f"1 to 64 vCPUs, address bits of {ADDRESS_BITS}",
        )
    return min(memory, _LOW_TOP)


def _error(got: str, want: str) -> InputError:
    return InputError("launch prediction", got=got, want=want, spec="docs/measurements.md")
