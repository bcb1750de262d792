"""Launch prediction: the measurement of an SNP report, from files and the shape of a machine.

Each page that a VMM hands to the security processor extends a digest: SHA-384 of the digest so
far, the page's own SHA-384 (zeros for pages without content) and its type and address (SNP ABI,
section 8.17, PAGE_INFO). Never from a running machine: what is predicted here is what a policy may
trust.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final

import msgspec

from casemate.errors import InputError
from casemate.tee.snp.firmware import PAGE, Firmware, Section, SectionKind
from casemate.tee.snp.kernel_hashes import Kernel
from casemate.tee.snp.save_area import BOOT_ADDRESS, SIGNATURES, Vmm, save_area

SNP_ACTIVE: Final = 0x1
"""SEV_FEATURES of a guest that has SNP and nothing beside it."""
MOST_PROCESSORS: Final = 4096
SIZE: Final = 48
"""Bytes of a measurement."""

_PAGE_INFO: Final = struct.Struct("<48s48sHBBBBBBQ")
_SAVE_AREA_ADDRESS: Final = 0xFFFF_FFFF_F000
"""Minus one, as far as addresses go, at the start of its page."""
_HASHES: Final = "hashes of kernel, initrd and command line"
_NOTHING: Final = bytes(SIZE)


class PageKind(IntEnum):
    """PAGE_TYPE of SNP_LAUNCH_UPDATE."""

    NORMAL = 1
    SAVE_AREA = 2
    ZERO = 3
    UNMEASURED = 4
    SECRETS = 5
    CPUID = 6


class Page(msgspec.Struct, frozen=True):
    """One page that extends the digest."""

    kind: PageKind
    address: int
    content: bytes
    """SHA-384 of what it holds; zeros where that is not measured."""
    what: str
    """For people."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """All that the measurement depends on."""

    firmware: Firmware
    processors: int
    signature: int
    """CPUID 1 EAX of the processor model that the guest is given."""
    kernel: Kernel | None = None
    """Started by the VMM, and measured by its hashes; None when the firmware finds its own."""
    features: int = SNP_ACTIVE
    vmm: Vmm = Vmm.QEMU


def processor_signature(model: str) -> int:
    """Give the signature of one of QEMU's models, ``EPYC-v4`` or ``EPYC-Milan`` for instance.

    Raises:
        InputError: it is no model of AMD's that can run SNP guests.
    """
    name = model.removesuffix("-IBPB")
    base, dash, version = name.rpartition("-v")
    if dash and version.isdecimal():
        name = base
    found = SIGNATURES.get(name)
    if found is None:
        raise InputError("processor model", got=model, want=", ".join(SIGNATURES))
    return found


def predict(launch: Launch) -> bytes:
    """Predict the measurement, 48 bytes.

    Raises:
        InputError: the firmware cannot do what is asked of it.
    """
    return digest_of(pages(launch))


def digest_of(measured: Iterable[Page]) -> bytes:
    """Extend a digest of zeros with each page."""
    digest = _NOTHING
    for page in measured:
        info = _PAGE_INFO.pack(
            *(digest, page.content, _PAGE_INFO.size, page.kind, 0, 0, 0, 0, 0, page.address)
        )
        digest = hashlib.sha384(info).digest()
    return digest


def pages(launch: Launch) -> Iterator[Page]:
    """Give every page in the order of the launch: firmware, its sections, processors.

    Raises:
        InputError: the firmware cannot do what is asked of it.
    """
    firmware = launch.firmware
    if not 1 <= launch.processors <= MOST_PROCESSORS:
        raise InputError("processors", got=launch.processors, want=f"1 to {MOST_PROCESSORS}")
    _require_hashes(launch)
    yield from _normal(firmware.address, firmware.image, "firmware")
    for section in _ordered(launch):
        yield from _section(launch, section)
    for index in range(launch.processors):
        begin = firmware.reset_address if index else BOOT_ADDRESS
        area = save_area(begin, launch.signature, launch.features, launch.vmm)
        content = hashlib.sha384(area).digest()
        yield Page(PageKind.SAVE_AREA, _SAVE_AREA_ADDRESS, content, f"processor {index}")


def differences(one: Launch, other: Launch) -> tuple[str, ...]:
    """Name the parts in which two launches differ, in the order of the launch; none if in nothing.

    Raises:
        InputError: as ``pages``.
    """
    parts = [_parts(launch) for launch in (one, other)]
    names = dict.fromkeys((*parts[0], *parts[1]))
    return tuple(name for name in names if parts[0].get(name) != parts[1].get(name))


def _parts(launch: Launch) -> dict[str, list[object]]:
    """Give what was measured by what it is of; files behind hashes by their own names."""
    found: dict[str, list[object]] = {}
    for page in pages(launch):
        found.setdefault(page.what, []).append(page)
    if launch.kernel is not None:
        found.pop(_HASHES)
        for name in launch.kernel.__struct_fields__:
            found[name.replace("_", " ")] = [getattr(launch.kernel, name)]
    return found


def _require_hashes(launch: Launch) -> None:
    """Refuse a kernel that the firmware would start without having it measured."""
    if launch.kernel is None:
        return
    at = launch.firmware.hashes_address
    places = [one for one in launch.firmware.sections if one.kind is SectionKind.KERNEL_HASHES]
    inside = [one for one in places if at and one.address == at - at % PAGE and one.size == PAGE]
    if len(places) != 1 or not inside:
        raise InputError(
            "firmware",
            got="no place for the hashes of a kernel",
            want="an OVMF that measures kernel, initrd and command line",
            remedy="build OvmfPkg/AmdSev, or let the firmware find the kernel on a disk",
        )


def _ordered(launch: Launch) -> Iterable[Section]:
    """Give sections as they are declared; EC2 leaves the CPUID page to the end."""
    sections = launch.firmware.sections
    if launch.vmm is not Vmm.EC2:
        return sections
    return sorted(sections, key=lambda section: section.kind is SectionKind.CPUID)


def _section(launch: Launch, section: Section) -> Iterator[Page]:
    address, size = section.address, section.size
    match section.kind:
        case SectionKind.SECRETS:
            yield Page(PageKind.SECRETS, address, _NOTHING, "secrets")
        case SectionKind.CPUID:
            yield Page(PageKind.CPUID, address, _NOTHING, "CPUID")
        case SectionKind.KERNEL_HASHES if launch.kernel is not None:
            table = launch.kernel.page(launch.firmware.hashes_address or 0)
            yield from _normal(address, table, _HASHES)
        case kind:
            unmeasured = kind is SectionKind.ZEROS and launch.vmm is Vmm.GCE
            page = PageKind.UNMEASURED if unmeasured else PageKind.ZERO
            for offset in range(0, size, PAGE):
                yield Page(page, address + offset, _NOTHING, f"{kind.name.lower()} memory")


def _normal(address: int, content: bytes, what: str) -> Iterator[Page]:
    for offset in range(0, len(content), PAGE):
        digest = hashlib.sha384(content[offset : offset + PAGE]).digest()
        yield Page(PageKind.NORMAL, address + offset, digest, what)
