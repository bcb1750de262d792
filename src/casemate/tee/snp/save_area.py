"""A processor's registers at the start, as the VMM encrypts and measures them (VMSA).

Offsets are those of AMD's manual, volume 2, table B-4; values are what QEMU with KVM, EC2 and
Google's VMM set. Numbers are little-endian.
"""

import struct
from enum import StrEnum
from typing import Final

import msgspec

PAGE: Final = 4096
BOOT_ADDRESS: Final = 0xFFFFFFF0
"""Where the first processor begins."""

_SEGMENT: Final = struct.Struct("<HHIQ")
"""Selector, attributes, limit, base."""
_LIMIT: Final = 0xFFFF


class Vmm(StrEnum):
    """Who launches; each sets a few registers its own way."""

    QEMU = "qemu"
    EC2 = "ec2"
    GCE = "gce"


class _Habits(msgspec.Struct, frozen=True):
    code: int = 0x9B
    """Attributes of the code segment."""
    stack: int = 0x93
    task: int = 0x8B
    pat: int = 0x0007040600070406
    floating_point: tuple[int, int] = (0, 0)
    """MXCSR and the x87 control word."""
    signature_in_rdx: bool = False
    """Of the processor; 0x600 otherwise."""


_HABITS: Final = {
    Vmm.QEMU: _Habits(floating_point=(0x1F80, 0x37F), signature_in_rdx=True),
    Vmm.EC2: _Habits(stack=0x92, task=0x83),
    Vmm.GCE: _Habits(pat=0x00070106),
}
_RESET_RDX: Final = 0x600


def signature(family: int, model: int, stepping: int) -> int:
    """Compose CPUID 1 EAX of combined family and model (AMD's CPUID specification)."""
    base, extended = min(family, 0xF), max(family - 0xF, 0)
    return (
        extended << 20 | (model >> 4 & 0xF) << 16 | base << 8 | (model & 0xF) << 4 | stepping & 0xF
    )


SIGNATURES: Final = {
    "EPYC": signature(0x17, 0x01, 2),
    "EPYC-Rome": signature(0x17, 0x31, 0),
    "EPYC-Milan": signature(0x19, 0x01, 1),
    "EPYC-Genoa": signature(0x19, 0x11, 0),
    "EPYC-Turin": signature(0x1A, 0x00, 0),
}
"""QEMU's processor models without their version (``-v4``), and IBPB, which change nothing here."""


def save_area(begin: int, processor: int, features: int, vmm: Vmm = Vmm.QEMU) -> bytes:
    """Write the page of one processor.

    Args:
        begin: where it begins, a 32-bit address.
        processor: its signature.
        features: SEV_FEATURES; bit 0 is SNP itself.
        vmm: who launches.
    """
    own = _HABITS[vmm]
    code = own.code
    if vmm is Vmm.EC2 and begin == BOOT_ADDRESS:
        code = 0x9A
    mxcsr, control_word = own.floating_point
    registers = (
        (0x000, _segment(0x93)),  # ES
        (0x010, _SEGMENT.pack(0xF000, code, _LIMIT, begin & 0xFFFF0000)),  # CS
        (0x020, _segment(own.stack)),  # SS
        (0x030, _segment(0x93)),  # DS
        (0x040, _segment(0x93)),  # FS
        (0x050, _segment(0x93)),  # GS
        (0x060, _segment(0)),  # GDTR
        (0x070, _segment(0x82)),  # LDTR
        (0x080, _segment(0)),  # IDTR
        (0x090, _segment(own.task)),  # TR
        (0x0D0, _u64(0x1000)),  # EFER: SVME, which KVM sets
        (0x148, _u64(0x40)),  # CR4: MCE, which KVM sets
        (0x158, _u64(0x10)),  # CR0
        (0x160, _u64(0x400)),  # DR7
        (0x168, _u64(0xFFFF0FF0)),  # DR6
        (0x170, _u64(0x2)),  # RFLAGS
        (0x178, _u64(begin & 0xFFFF)),  # RIP
        (0x268, _u64(own.pat)),  # PAT
        (0x310, _u64(processor if own.signature_in_rdx else _RESET_RDX)),  # RDX
        (0x3B0, _u64(features)),  # SEV_FEATURES
        (0x3E8, _u64(0x1)),  # XCR0
        (0x408, mxcsr.to_bytes(4, "little")),
        (0x410, control_word.to_bytes(2, "little")),
    )
    page = bytearray(PAGE)
    for offset, value in registers:
        page[offset : offset + len(value)] = value
    return bytes(page)


def _segment(attributes: int) -> bytes:
    return _SEGMENT.pack(0, attributes, _LIMIT, 0)


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")
