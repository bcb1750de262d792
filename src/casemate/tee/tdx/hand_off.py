"""What QEMU tells a TD's firmware of its memory: the TD HOB, which the firmware measures.

A list of blocks (UEFI PI 1.7, volume 3, section 5): a head, one resource for each range of memory,
an end that is not measured. Ranges that the firmware's metadata name were added at the launch; the
rest is left for the TD to accept.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from casemate.errors import InputError
from casemate.tee.tdx.tdvf import Section, SectionKind, Tdvf

_HEAD: Final = struct.Struct("<HHIIIQQQQQ")
_RESOURCE: Final = struct.Struct("<HHI16sIIQQ")
_END_SIZE: Final = 8
_HEAD_TYPE: Final = 1
_RESOURCE_TYPE: Final = 3
_VERSION: Final = 9
_SYSTEM_MEMORY: Final = 0
_UNACCEPTED: Final = 7
_ATTRIBUTES: Final = 7
"""Present, initialised, tested."""
_HIGH: Final = 1 << 32
_SMALL: Final = 0xB000_0000
"""From here on QEMU's q35 machine keeps only 2 GiB below 4 GiB."""
_LOW: Final = 0x8000_0000
_MIB: Final = 1 << 20
_LARGEST_MIB: Final = 1 << 24
_ADDED: Final = frozenset({SectionKind.HAND_OFF, SectionKind.TEMPORARY_MEMORY})


def measured(firmware: Tdvf, memory_mib: int) -> bytes:
    """Give the bytes that the firmware measures.

    Raises:
        InputError: the firmware asks for no hand-off block, or no machine has that much memory.
    """
    if not 1 <= memory_mib <= _LARGEST_MIB:
        raise InputError("memory", got=f"{memory_mib} MiB", want=f"1 to {_LARGEST_MIB}")
    address = firmware.of_kind(SectionKind.HAND_OFF).address
    resources = b"".join(
        _RESOURCE.pack(
            *(_RESOURCE_TYPE, _RESOURCE.size, 0, bytes(16), kind, _ATTRIBUTES, begin, end - begin)
        )
        for kind, begin, end in _ranges(firmware.sections, memory_mib * _MIB)
    )
    end = address + _HEAD.size + len(resources) + _END_SIZE
    return _HEAD.pack(_HEAD_TYPE, _HEAD.size, 0, _VERSION, 0, 0, 0, 0, 0, end) + resources


def _ranges(sections: Iterable[Section], memory: int) -> Iterator[tuple[int, int, int]]:
    """Give each range of memory in order: kind, begin, end."""
    low = memory if memory < _SMALL else _LOW
    added = sorted((one.address, one.address + one.size) for one in sections if one.kind in _ADDED)
    at = 0
    for begin, end in added:
        if end > low or begin < at:
            raise InputError("memory", got=f"{begin:#x} to {end:#x}", want="within memory, once")
        if at < begin:
            yield _UNACCEPTED, at, begin
        yield _SYSTEM_MEMORY, begin, end
        at = end
    if at < low:
        yield _UNACCEPTED, at, low
    if memory > low:
        yield _UNACCEPTED, _HIGH, _HIGH + memory - low
