"""What a TPM will hold after a boot of an image, and the reference values made of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from casemate.tee.vtpm import launch
from casemate.tee.vtpm.launch import Launch, MachineFacts
from casemate.tee.vtpm.platform_info import ADDRESS_BITS

SHAPE: Final = MachineFacts()
"""The machine that measurements are shown for: what the provider makes unless told otherwise."""

SHAPES: Final = tuple(
    MachineFacts(vcpus=vcpus, memory_mib=memory, physical_address_bits=bits)
    for memory in (512, 1024, 2048, 4096)
    for vcpus in (1, 2, 4)
    for bits in ADDRESS_BITS
)
"""Machines for which reference values are given: the firmware's own measurement (PCR 0) holds
the machine's shape, and the width of its addresses (40 bits emulated, the host's under KVM)."""

REFERENCED: Final = (0, 1, 2, 3, 4, 5, 6, 7, 9, 11)
"""Registers with reference values: 8 holds the pod's initdata, 10 follows from the others, 12 to
15 must be untouched."""


def predict(
    firmware_code: Path, firmware_vars: Path, uki: bytes, shape: MachineFacts = SHAPE
) -> Mapping[int, bytes]:
    """Predict PCR 0 to 23 (32 bytes each) for one machine.

    Raises:
        InputError: a firmware or kernel image that is not understood.
    """
    return launch.predict(firmware_code.read_bytes(), firmware_vars.read_bytes(), uki, shape)


def encode(predicted: Mapping[int, bytes]) -> bytes:
    """Write predicted PCR values: number → lower-case hex."""
    values = {str(number): value.hex() for number, value in sorted(predicted.items())}
    return msgspec.json.format(msgspec.json.encode(values), indent=1)


def reference_values(booted: Launch) -> bytes:
    """Write the payload of a ``sample`` message to the reference value provider.

    Names are ``tpm_pcr00``…; each value is the list of what is right, in lower-case hex
    (spec trustee.md §13.2). Only PCR 0 differs between the machines of ``SHAPES``.
    """
    predicted = booted.registers(SHAPE)
    values = {f"tpm_pcr{number:02}": [predicted[number].hex()] for number in REFERENCED}
    values["tpm_pcr00"] = sorted({value.hex() for value in booted.firmware_registers(SHAPES)})
    return msgspec.json.format(msgspec.json.encode(values), indent=1)
