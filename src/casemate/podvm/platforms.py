"""What the hardware of each platform will measure of an image: registers by name, before any boot.

Only ``tpm`` and ``azure`` follow from the image alone. On SNP and TDX the firmware is part of what
is measured, and it is the platform's: it comes as a file.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from casemate.errors import InputError
from casemate.podvm import measurements
from casemate.podvm.image import PodVmImage
from casemate.tee.azure import launch as azure
from casemate.tee.snp import launch as snp
from casemate.tee.snp.firmware import Firmware
from casemate.tee.snp.kernel_hashes import Kernel
from casemate.tee.tdx import launch as tdx
from casemate.tee.vtpm.launch import MachineFacts


class Platform(StrEnum):
    """Where an image can be measured."""

    TPM = "tpm"
    """A virtual TPM under OVMF, as the ``qemu`` provider makes it."""
    AZURE = "azure"
    """The vTPM of an Azure confidential VM: what follows from the image alone."""
    SNP = "snp"
    """SEV-SNP under QEMU, which hands the UKI to the firmware with its hash."""
    TDX = "tdx"
    """A TD under QEMU: MRTD, RTMR 1 to 3. RTMR 0 holds ACPI tables that QEMU makes."""


DEFAULT_MODEL: Final = "EPYC-v4"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, and the firmware where it is not the image's own."""

    processors: int = 2
    memory_mib: int = 1024
    model: str = DEFAULT_MODEL
    """QEMU's name of the processor, for SNP."""
    firmware: bytes | None = None
    separator: tdx.Separator = tdx.Separator.RTMR_1
    """How old the firmware is, for TDX."""
    order: tdx.Order = tdx.Order.PAGE_BY_PAGE
    """How old the host's kernel is, for TDX."""


def predict(image: PodVmImage, platform: Platform, shape: Shape) -> Mapping[str, str]:
    """Predict registers: name → lower-case hex.

    Raises:
        InputError: a firmware that is missing or not understood, or a shape nobody can have.
    """
    match platform:
        case Platform.TPM:
            return _tpm(image, shape)
        case Platform.AZURE:
            pcrs = azure.predict(image.uki.read_bytes())
            return _named({number: value.hex() for number, value in pcrs.items()})
        case Platform.SNP:
            return {"measurement": snp.predict(snp_launch(image, shape)).hex()}
        case Platform.TDX:
            found = tdx_launch(image, shape).registers(tdx_machine(shape))
            return {name: value.hex() for name, value in found.items()}


def differences(
    one: PodVmImage, other: PodVmImage, platform: Platform, shapes: tuple[Shape, Shape]
) -> tuple[str, ...]:
    """Name the parts of two launches that are measured differently; registers for TPMs.

    Raises:
        InputError: as ``predict``.
    """
    match platform:
        case Platform.SNP:
            return snp.differences(snp_launch(one, shapes[0]), snp_launch(other, shapes[1]))
        case Platform.TDX:
            left, right = tdx_launch(one, shapes[0]), tdx_launch(other, shapes[1])
            return tdx.differences(left, right, (tdx_machine(shapes[0]), tdx_machine(shapes[1])))
        case Platform.TPM:  # predicted when each image was built, with the firmware of that day
            before, after = (_named(image.measurements) for image in (one, other))
        case Platform.AZURE:
            before, after = (dict(predict(image, platform, Shape())) for image in (one, other))
    return tuple(name for name in before if before[name] != after.get(name))


def snp_launch(image: PodVmImage, shape: Shape) -> snp.Launch:
    """Give the SNP launch of an image: its UKI is the kernel that the VMM hands over.

    Raises:
        InputError: no firmware, or one that is not understood.
    """
    return snp.Launch(
        firmware=Firmware.parse(_firmware(shape)),
        processors=shape.processors,
        signature=snp.processor_signature(shape.model),
        kernel=Kernel(image.uki.read_bytes()),
    )


def tdx_launch(image: PodVmImage, shape: Shape) -> tdx.Launch:
    """Give the TDX launch of an image: QEMU hands its UKI to the firmware.

    Raises:
        InputError: no firmware, or one that is not understood.
    """
    measuring = tdx.Measuring(separator=shape.separator)
    return tdx.Launch.of(_firmware(shape), image.uki.read_bytes(), measuring)


def tdx_machine(shape: Shape) -> tdx.Machine:
    """Give what of a TD's shape is measured."""
    return tdx.Machine(memory_mib=shape.memory_mib, order=shape.order)


def _tpm(image: PodVmImage, shape: Shape) -> Mapping[str, str]:
    if shape.firmware is not None:
        raise InputError("--firmware", got="a file", want="none: the image names its own")
    found = measurements.predict(
        image.firmware_code,
        image.firmware_vars,
        image.uki.read_bytes(),
        MachineFacts(vcpus=shape.processors, memory_mib=shape.memory_mib),
    )
    return _named({number: value.hex() for number, value in found.items()})


def _named(registers: Mapping[int, str]) -> dict[str, str]:
    return {f"pcr{number:02}": value for number, value in sorted(registers.items())}


def _firmware(shape: Shape) -> bytes:
    if shape.firmware is None:
        raise InputError(
            "--firmware",
            got="none",
            want="the OVMF image that the host starts guests with",
            remedy="Give the file that the host's VMM is told: code and variables in one.",
        )
    return shape.firmware
