"""Launch prediction: MRTD and RTMR 0 to 2 of a pod VM, from files and the machine's shape alone.

MRTD is what the TDX module measures while memory is added: each page, and where the firmware's
metadata ask for it its content in pieces of 256 bytes (Intel TDX module 1.5 ABI, TDH.MEM.PAGE.ADD
and TDH.MR.EXTEND). RTMR 0 to 2 are what OVMF and what it starts measure then, in the order of
OVMF's direct boot of a UKI (QEMU ``-kernel``).

Never from a running machine: what is predicted here is what a policy may trust. The one exception
is ``Machine.acpi``: QEMU makes those tables, and nobody publishes them.

What was compared with real TDs, through their logs: RTMR 0 of one boot, whole; kinds and order of
events in RTMR 1 and 2, of a kernel that the VMM hands over and of a UKI on a disk under Google's
firmware; where the separators go, of four boots. What never was, for want of a quote beside the
files that it was made from: a value of MRTD, RTMR 1 or RTMR 2. Supposed, and seen in no log: both
events of a UKI that the VMM hands over, what ``Measuring`` says of versions (systemd-stub 252 knows
nothing of a TD's registers), and ``Order``. Where OVMF looks for the UKI on a disk, its partition
table is measured into RTMR 1 besides; that, and other firmware such as Google's, is not predicted.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, Self

import msgspec

from casemate.errors import InputError
from casemate.tee.tdx import hand_off
from casemate.tee.tdx.tdvf import PAGE, SectionKind, Tdvf
from casemate.tee.vtpm.firmware_variables import (
    GLOBAL,
    Variable,
    firmware_file_path,
    load_option,
    measured_for_secure_boot,
    parse_store,
)
from casemate.tee.vtpm.firmware_volume import Firmware
from casemate.tee.vtpm.portable_executable import PortableExecutable
from casemate.tee.vtpm.uki_facts import UkiFacts
from casemate.wire.eventlog import LoggedEvent, replay
from casemate.wire.tpm import ALG_SHA384

SIZE: Final = 48
"""Bytes of a register."""
_CHUNK: Final = 256
_PAGE_ADD: Final = struct.Struct("<16sQ104x")
_EXTEND: Final = struct.Struct("<16sQ104x")
_ACPI: Final = ("table loader", "root pointer", "tables")
_BOOT_MENU: Final = bytes.fromhex("21aa2c4614760345836e8ab6f4662331")
_BOOT_MENU_ATTRIBUTES: Final = 0x109  # active, hidden, an application

_SEPARATOR: Final = 0x4
_EVENT_TAG: Final = 0x6
_CONFIG_FLAGS: Final = 0xA
_IPL: Final = 0xD
_DRIVER_CONFIG: Final = 0x80000001
_BOOT_VARIABLE: Final = 0x80000002
_APPLICATION: Final = 0x80000003
_ACTION: Final = 0x80000007
_FIRMWARE_BLOB2: Final = 0x8000000A
_HAND_OFF_TABLES2: Final = 0x8000000B
_RTMR_0, _RTMR_1, _RTMR_2 = 1, 2, 3
"""Index of a register in logs: one more than its name's (tee §1.4)."""


class Order(StrEnum):
    """In which order a VMM measures a section."""

    PAGE_BY_PAGE = "page-by-page"
    """Each page is added, then extended: Linux from 6.16 on."""
    PAGES_FIRST = "pages-first"
    """All pages of a section are added, then all are extended: kernels before TDX was merged."""


class Separator(StrEnum):
    """Which register OVMF extends when it leaves its own code; its image does not say."""

    RTMR_1 = "rtmr-1"
    """From edk2-stable202411 on, as the TCG's profile has it."""
    RTMR_0 = "rtmr-0"
    """Before: RTMR 0 a second time, and RTMR 1 never. Debian 12 and Ubuntu 24.04 have these."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine's shape, as far as it is measured."""

    memory_mib: int = 2048
    order: Order = Order.PAGE_BY_PAGE
    """Of its VMM."""
    acpi: tuple[bytes, ...] = ()
    """SHA-384 (48 bytes each) of QEMU's table loader, root pointer and tables, from the log of a
    machine that its owner trusts; without them RTMR 0 is not predicted."""


class Measuring(msgspec.Struct, frozen=True, kw_only=True):
    """What programs say to a TD's registers, where that depends on their versions."""

    separator: Separator = Separator.RTMR_1
    stub: bool = False
    """systemd-stub measures the UKI's sections; 252 does not."""
    kernel: bool = False
    """The kernel's EFI stub measures command line and initrd: Linux from 6.9 on."""


class PredictedEvent(msgspec.Struct, frozen=True):
    """One extension that will happen, in the order of the boot."""

    register: int
    """Index as in logs: 1 is RTMR 0."""
    kind: int
    digest: bytes
    """SHA-384, 48 bytes."""
    description: str


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What is booted, opened once; it can be asked about machines of many shapes."""

    firmware: Tdvf
    variables: tuple[Variable, ...]
    code: Firmware
    uki: UkiFacts
    authenticode: bytes
    """Authenticode of the UKI with SHA-384, 48 bytes."""
    kernel_authenticode: bytes
    measuring: Measuring = Measuring()

    @classmethod
    def of(cls, firmware: bytes, uki: bytes, measuring: Measuring | None = None) -> Self:
        """Open an OVMF image (code and variables in one) and a UKI.

        Raises:
            InputError: one of them is not understood.
        """
        tdvf = Tdvf.parse(firmware)
        facts = UkiFacts.parse(uki)
        return cls(
            firmware=tdvf,
            variables=parse_store(tdvf.of_kind(SectionKind.CONFIGURATION_VOLUME).content),
            code=Firmware.parse(tdvf.of_kind(SectionKind.BOOT_VOLUME).content),
            uki=facts,
            authenticode=PortableExecutable.parse(uki).authenticode("sha384"),
            kernel_authenticode=PortableExecutable.parse(facts.section(".linux")).authenticode(
                "sha384"
            ),
            measuring=measuring or Measuring(),
        )

    def events(self, machine: Machine) -> tuple[PredictedEvent, ...]:
        """Predict each extension of RTMR 0 to 2, in order.

        Raises:
            InputError: the machine's shape, or the store's content, is not understood.
        """
        return (
            *firmware_events(self.firmware, self.variables, machine),
            _event(_RTMR_1, _APPLICATION, self.authenticode, "UKI (Authenticode)"),
            *boot_options(self.code, self.variables),
            _action(_RTMR_1, "Calling EFI Application from Boot Option"),
            _left_firmware(self.measuring.separator),
            *(_stub(self.uki) if self.measuring.stub else ()),
            _event(_RTMR_1, _APPLICATION, self.kernel_authenticode, "kernel of the UKI"),
            *(_kernel(self.uki) if self.measuring.kernel else ()),
            _action(_RTMR_1, "Exit Boot Services Invocation"),
            _action(_RTMR_1, "Exit Boot Services Returned with Success"),
        )

    def registers(self, machine: Machine) -> dict[str, bytes]:
        """Predict ``mr_td`` and ``rtmr_0`` to ``rtmr_3`` (48 bytes each), by their claims' names.

        RTMR 0 is left out where the machine's ACPI tables are not known. RTMR 3 is zero until the
        guest extends it.

        Raises:
            InputError: as ``events``.
        """
        found = {"mr_td": mr_td(self.firmware, machine.order)} | registers(self.events(machine))
        if not machine.acpi:
            del found["rtmr_0"]
        return found


def mr_td(firmware: Tdvf, order: Order = Order.PAGE_BY_PAGE) -> bytes:
    """Predict MRTD, 48 bytes."""
    digest = hashlib.sha384()
    for section in firmware.sections:
        if section.augmented:
            continue
        pages = range(0, section.size, PAGE)
        for at in pages:
            digest.update(_PAGE_ADD.pack(b"MEM.PAGE.ADD", section.address + at))
            if section.extended and order is Order.PAGE_BY_PAGE:
                _extend(digest, section.address, section.content, at)
        if section.extended and order is Order.PAGES_FIRST:
            for at in pages:
                _extend(digest, section.address, section.content, at)
    return digest.digest()


def _extend(digest: "hashlib._Hash", address: int, content: bytes, page: int) -> None:
    for at in range(page, page + PAGE, _CHUNK):
        digest.update(_EXTEND.pack(b"MR.EXTEND", address + at))
        digest.update(content[at : at + _CHUNK])


def registers(events: Iterable[PredictedEvent]) -> dict[str, bytes]:
    """Replay predicted events: ``rtmr_0`` to ``rtmr_3``, zeros for those without event."""
    logged = [LoggedEvent(e.register, e.kind, ((ALG_SHA384, e.digest),), b"") for e in events]
    replayed = replay(logged, ALG_SHA384)
    return {f"rtmr_{one}": replayed.get(one + 1, bytes(SIZE)) for one in range(4)}


def firmware_events(
    firmware: Tdvf, variables: tuple[Variable, ...], machine: Machine
) -> Iterator[PredictedEvent]:
    """Predict what the firmware measures of machine and variables before it starts anything.

    Raises:
        InputError: an enrolled platform key, ACPI digests that are none, or no such machine.
    """
    described = hand_off.measured(firmware, machine.memory_mib)
    store = firmware.of_kind(SectionKind.CONFIGURATION_VOLUME).content
    yield _hashed(_RTMR_0, _HAND_OFF_TABLES2, described, "description of memory (TD HOB)")
    yield _hashed(_RTMR_0, _FIRMWARE_BLOB2, store, "firmware variables (CFV)")
    yield from map(_variable, measured_for_secure_boot(variables, state=b""))
    yield _hashed(_RTMR_0, _SEPARATOR, bytes(4), "separator")
    if machine.acpi and [len(one) for one in machine.acpi] != [SIZE] * len(_ACPI):
        raise InputError(
            "ACPI digests", got=[len(one) for one in machine.acpi], want="three of 48 bytes"
        )
    for name, digest in zip(_ACPI, machine.acpi, strict=False):
        yield _event(_RTMR_0, _CONFIG_FLAGS, digest, f"ACPI {name}")


def boot_options(code: Firmware, variables: tuple[Variable, ...]) -> Iterator[PredictedEvent]:
    """Predict the boot options of a fresh store: the boot menu alone.

    Raises:
        InputError: the store holds options of an earlier boot, or the firmware no menu.
    """
    if any(one.vendor == GLOBAL and one.name.startswith("Boot") for one in variables):
        raise InputError(
            "firmware variables",
            got="boot options of an earlier boot",
            want="a fresh copy of the store",
        )
    menu = code.dxe_file(_BOOT_MENU)
    name = menu.user_interface_name or "Boot Manager Menu"
    path = firmware_file_path(code.dxe.name, menu.guid)
    option = load_option(name, path, _BOOT_MENU_ATTRIBUTES)
    yield _hashed(_RTMR_0, _BOOT_VARIABLE, b"\0\0", "variable BootOrder = 0000")
    yield _hashed(_RTMR_0, _BOOT_VARIABLE, option, f"variable Boot0000 = {name}")


def differences(
    one: Launch, other: Launch, machines: tuple[Machine, Machine] | None = None
) -> tuple[str, ...]:
    """Name the parts in which two launches differ, and the register of each; none if in nothing.

    Raises:
        InputError: as ``Launch.events``.
    """
    shapes = machines or (Machine(), Machine())
    parts = [_parts(launch, shape) for launch, shape in zip((one, other), shapes, strict=True)]
    names = dict.fromkeys((*parts[0], *parts[1]))
    return tuple(name for name in names if parts[0].get(name) != parts[1].get(name))


def _parts(launch: Launch, machine: Machine) -> dict[str, list[object]]:
    """Give what was measured by what it is of: sections of the firmware, then events."""
    found: dict[str, list[object]] = {}
    for section in launch.firmware.sections:
        if not section.augmented:
            content = (section.content, machine.order) if section.extended else None
            name = f"firmware, {section.kind.name.replace('_', ' ').lower()}, in mr_td"
            found.setdefault(name, []).append((section.address, section.size, content))
    for event in launch.events(machine):
        name = f"{event.description} in rtmr_{event.register - 1}"
        found.setdefault(name, []).append(event.digest)
    return found


def _left_firmware(separator: Separator) -> PredictedEvent:
    register = _RTMR_1 if separator is Separator.RTMR_1 else _RTMR_0
    return _hashed(register, _SEPARATOR, bytes(4), "separator")


def _stub(facts: UkiFacts) -> Iterator[PredictedEvent]:
    for name, content in facts.sections:
        yield _hashed(_RTMR_2, _IPL, name.encode() + b"\0", f"UKI section {name}, its name")
        yield _hashed(_RTMR_2, _IPL, content, f"UKI section {name}, its content")


def _kernel(facts: UkiFacts) -> Iterator[PredictedEvent]:
    options = facts.command_line.encode("utf-16-le") + b"\0\0"
    yield _hashed(_RTMR_2, _EVENT_TAG, options, "kernel command line")
    if initrd := facts.section(".initrd"):
        yield _hashed(_RTMR_2, _EVENT_TAG, initrd, "initrd")


def _variable(variable: Variable) -> PredictedEvent:
    text = variable.value.hex()[:16] or "empty"
    return _hashed(
        _RTMR_0, _DRIVER_CONFIG, variable.measured(), f"variable {variable.name} = {text}"
    )


def _action(register: int, text: str) -> PredictedEvent:
    return _hashed(register, _ACTION, text.encode(), f'action "{text}"')


def _hashed(register: int, kind: int, data: bytes, description: str) -> PredictedEvent:
    return _event(register, kind, hashlib.sha384(data).digest(), description)


def _event(register: int, kind: int, digest: bytes, description: str) -> PredictedEvent:
    return PredictedEvent(register, kind, digest, description)
