"""Launch prediction: every PCR of a pod VM, from files and the machine's shape alone.

OVMF with an empty variable store, QEMU's ``-kernel`` with a UKI, systemd-stub 252, Linux with IMA.
Never from a running machine: what is predicted here is what a policy may trust.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, Self

import msgspec

from casemate.errors import InputError
from casemate.tee.vtpm.boot_aggregate import IMA_PCR, boot_aggregate_digest
from casemate.tee.vtpm.firmware_variables import (
    GLOBAL,
    Variable,
    firmware_file_path,
    load_option,
    measured_for_secure_boot,
    parse_store,
)
from casemate.tee.vtpm.firmware_volume import Firmware
from casemate.tee.vtpm.platform_info import MachineFacts, measured_pei_volume
from casemate.tee.vtpm.uki_facts import UkiFacts
from casemate.wire.eventlog import LoggedEvent, replay
from casemate.wire.tpm import ALG_SHA256, PCR_COUNT

__all__ = [
    "Launch",
    "MachineFacts",
    "PredictedEvent",
    "predict",
    "registers",
]

_FIRMWARE_BLOB: Final = 0x80000008
_CRTM_VERSION: Final = 0x8
_SEPARATOR: Final = 0x4
_EVENT_TAG: Final = 0x6
_IPL: Final = 0xD
_DRIVER_CONFIG: Final = 0x80000001
_BOOT_VARIABLE: Final = 0x80000002
_APPLICATION: Final = 0x80000003
_ACTION: Final = 0x80000007

_BOOT_MENU: Final = bytes.fromhex("21aa2c4614760345836e8ab6f4662331")
_BOOT_MENU_ATTRIBUTES: Final = 0x109  # active, hidden, an application
_DRTM: Final = range(17, 23)


class PredictedEvent(msgspec.Struct, frozen=True):
    """One extension that will happen, in the order of the boot."""

    register: int
    kind: int
    digest: bytes
    """SHA-256, 32 bytes."""
    description: str
    logged: bool = True
    """Whether the firmware's log shows it (IMA keeps its own)."""


class Launch(msgspec.Struct, frozen=True):
    """What is booted, opened once; it can be asked about machines of many shapes."""

    firmware: Firmware
    variables: tuple[Variable, ...]
    uki: UkiFacts

    @classmethod
    def of(cls, firmware_code: bytes, firmware_vars: bytes, uki: bytes) -> Self:
        """Open OVMF's code, its variable store and a UKI.

        Raises:
            InputError: one of them is not understood.
        """
        return cls(Firmware.parse(firmware_code), parse_store(firmware_vars), UkiFacts.parse(uki))

    def events(self, machine: MachineFacts) -> tuple[PredictedEvent, ...]:
        """Predict each extension, in order.

        Raises:
            InputError: the machine's shape, or the store's content, is not understood.
        """
        events = (
            *_firmware_volumes(self.firmware, machine),
            *_secure_boot(self.variables),
            application(self.uki.authenticode, "UKI (Authenticode)"),
            *_boot_options(self.firmware, self.variables),
            *ready_to_boot(),
            *stub(self.uki),
            application(self.uki.kernel_authenticode, "kernel of the UKI"),
            *kernel(self.uki),
            *exit_boot_services(),
        )
        return (*events, _ima(events)) if machine.ima else events

    def registers(self, machine: MachineFacts) -> dict[int, bytes]:
        """Predict PCR 0 to 23; raises as ``events``."""
        return registers(self.events(machine))

    def firmware_registers(self, machines: Iterable[MachineFacts]) -> tuple[bytes, ...]:
        """Predict PCR 0 alone, for each machine: the only firmware register their shape shows in.

        Raises:
            InputError: a machine's shape is not understood.
        """
        version, _, dxe = _firmware_volumes(self.firmware, MachineFacts())
        return tuple(
            registers((version, _pei_volume(self.firmware, machine), dxe, _separator(0)))[0]
            for machine in machines
        )


def predict(
    firmware_code: bytes, firmware_vars: bytes, uki: bytes, machine: MachineFacts
) -> dict[int, bytes]:
    """Predict PCR 0 to 23 (SHA-256 bank, 32 bytes each) as the guest's init finds them.

    PCR 8 is still zero then; ``report.init_data_register`` gives it as initdata leaves it.

    Raises:
        InputError: a firmware, variable store, UKI or machine that is not understood.
    """
    return Launch.of(firmware_code, firmware_vars, uki).registers(machine)


def registers(events: Iterable[PredictedEvent]) -> dict[int, bytes]:
    """Replay predicted events: PCR 0 to 23, those without event at their reset value."""
    logged = [LoggedEvent(e.register, e.kind, ((ALG_SHA256, e.digest),), b"") for e in events]
    replayed = replay(logged, ALG_SHA256)
    return {i: replayed.get(i, _reset(i)) for i in range(PCR_COUNT)}


def _reset(index: int) -> bytes:
    return (b"\xff" if index in _DRTM else b"\0") * 32


def _firmware_volumes(firmware: Firmware, machine: MachineFacts) -> tuple[PredictedEvent, ...]:
    version = machine.crtm_version.encode("utf-16-le") + b"\0\0"
    return (
        _hashed(0, _CRTM_VERSION, version, "firmware version"),
        _pei_volume(firmware, machine),
        _hashed(0, _FIRMWARE_BLOB, firmware.dxe.raw, "firmware volume DXE"),
    )


def _pei_volume(firmware: Firmware, machine: MachineFacts) -> PredictedEvent:
    volume = measured_pei_volume(firmware.pei, machine)
    return _hashed(0, _FIRMWARE_BLOB, volume, "firmware volume PEI, with the machine's shape")


def _secure_boot(variables: tuple[Variable, ...]) -> Iterator[PredictedEvent]:
    yield from map(_variable, measured_for_secure_boot(variables, state=b"\0"))
    yield _separator(7)


def _variable(variable: Variable) -> PredictedEvent:
    text = variable.value.hex()[:16] or "empty"
    return _hashed(7, _DRIVER_CONFIG, variable.measured(), f"variable {variable.name} = {text}")


def _boot_options(firmware: Firmware, variables: tuple[Variable, ...]) -> Iterator[PredictedEvent]:
    if any(v.vendor == GLOBAL and v.name.startswith("Boot") for v in variables):
        raise InputError(
            "firmware variables",
            got="boot options of an earlier boot",
            want="a fresh copy of the store",
        )
    menu = firmware.dxe_file(_BOOT_MENU)
    path = firmware_file_path(firmware.dxe.name, menu.guid)
    name = menu.user_interface_name or "Boot Manager Menu"
    option = load_option(name, path, _BOOT_MENU_ATTRIBUTES)
    yield _hashed(1, _BOOT_VARIABLE, b"\0\0", "variable BootOrder = 0000")
    yield _hashed(1, _BOOT_VARIABLE, option, f"variable Boot0000 = {name}")


def ready_to_boot() -> Iterator[PredictedEvent]:
    """Predict how firmware leaves its own code: an action, then separators in PCR 0 to 6."""
    yield _action(4, "Calling EFI Application from Boot Option")
    for register in range(7):
        yield _separator(register)


def application(authenticode: bytes, description: str) -> PredictedEvent:
    """Predict the start of a PE image (its Authenticode hash, 32 bytes): PCR 4."""
    return _event(4, _APPLICATION, authenticode, description)


def stub(facts: UkiFacts) -> Iterator[PredictedEvent]:
    """Predict what systemd-stub 252 measures of a UKI: name and content of each section, PCR 11."""
    for name, content in facts.sections:
        yield _hashed(11, _IPL, name.encode() + b"\0", f"UKI section {name}, its name")
        yield _hashed(11, _IPL, content, f"UKI section {name}, its content")


def kernel(facts: UkiFacts) -> Iterator[PredictedEvent]:
    """Predict what the kernel's own EFI stub measures: command line and initrd, PCR 9."""
    options = facts.command_line.encode("utf-16-le") + b"\0\0"
    yield _hashed(9, _EVENT_TAG, options, "kernel command line")
    if initrd := facts.section(".initrd"):
        yield _hashed(9, _EVENT_TAG, initrd, "initrd")


def exit_boot_services() -> Iterator[PredictedEvent]:
    """Predict the hand-over from firmware to kernel: PCR 5."""
    yield _action(5, "Exit Boot Services Invocation")
    yield _action(5, "Exit Boot Services Returned with Success")


def _ima(events: tuple[PredictedEvent, ...]) -> PredictedEvent:
    before = registers(events)
    digest = boot_aggregate_digest(b"".join(before[i] for i in range(IMA_PCR)))
    return PredictedEvent(IMA_PCR, _IPL, digest, "IMA's aggregate of PCR 0 to 9", logged=False)


def _separator(register: int) -> PredictedEvent:
    return _hashed(register, _SEPARATOR, bytes(4), "separator")


def _action(register: int, text: str) -> PredictedEvent:
    return _hashed(register, _ACTION, text.encode(), f'action "{text}"')


def _hashed(register: int, kind: int, data: bytes, description: str) -> PredictedEvent:
    return _event(register, kind, hashlib.sha256(data).digest(), description)


def _event(register: int, kind: int, digest: bytes, description: str) -> PredictedEvent:
    return PredictedEvent(register, kind, digest, description)
