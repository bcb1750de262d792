"""A device's evidence, opened: its messages read and its chain verified, for later steps."""

from collections.abc import Sequence

import msgspec

from casemate.crypto import pem
from casemate.crypto.certificate import Certificate
from casemate.tee.evidence import Inputs
from casemate.tee.nvidia import chain, remote
from casemate.tee.nvidia.architecture import GPU, Architecture, chip_of, of_chip
from casemate.tee.nvidia.evidence import Device, parse
from casemate.tee.nvidia.opaque import FWID, Opaque
from casemate.tee.nvidia.spdm import (
    ALL_MEASUREMENTS,
    GET_MEASUREMENTS,
    MEASUREMENTS,
    VERSION,
    WITH_SIGNATURE,
    Report,
)
from casemate.tee.trail import Step, Trail


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A device whose chain holds, on its way."""

    device: Device
    report: Report
    opaque: Opaque
    path: tuple[Certificate, ...]
    architecture: Architecture
    """As its certificates say."""
    chip: str
    """``GH100`` for instance: as the device says, if it does, else as its certificates do."""

    @property
    def leaf(self) -> Certificate:
        return self.path[0]

    @property
    def pem(self) -> bytes:
        """Its chain as the attestation service wants it."""
        return b"".join(pem.encode(one.der, "CERTIFICATE") for one in self.path)

    def version(self, part: str) -> str:
        """Give the version of ``driver`` or ``vbios``."""
        return str(self.opaque.config[f"{part}_version"])


def open_all(raw: bytes, inputs: Inputs, trail: Trail) -> tuple[Opened, ...]:
    """Open evidence in the first four steps of a verification.

    Raises:
        VerificationError: it cannot be read, or a chain does not hold.
    """
    with trail.step(1) as step:
        devices = parse(raw, inputs.memory)
        step.detail = f"{len(devices)} devices"
    with trail.step(2) as step:
        reports = [_read_messages(step, device) for device in devices]
        step.detail = f"{len(reports[0].response.measurements)} measurements"
    with trail.step(3) as step:
        opaques = [_read_opaque(step, *pair) for pair in zip(devices, reports, strict=True)]
    with trail.step(4) as step:
        opened = tuple(
            _open(step, *three, inputs) for three in zip(devices, reports, opaques, strict=True)
        )
        step.detail = ", ".join(one.leaf.common_name for one in opened)
    return opened


def _read_messages(step: Step, device: Device) -> Report:
    report = Report.parse(device.report)
    request, response = report.request, report.response
    for claim, got, wanted in (
        ("request version", request.version, VERSION),
        ("request code", request.code, GET_MEASUREMENTS),
        ("measurements asked for", request.operation, ALL_MEASUREMENTS),
        ("response version", response.version, VERSION),
        ("response code", response.code, MEASUREMENTS),
    ):
        step.require(got == wanted, claim, f"{got:#04x}", f"{wanted:#04x}")
    step.require(
        bool(request.attributes & WITH_SIGNATURE),
        "request attributes",
        f"{request.attributes:#04x}",
        "a signature asked for",
    )
    return report


def _read_opaque(step: Step, device: Device, report: Report) -> Opaque:
    opaque = Opaque.parse(report.response.opaque)
    config = opaque.config
    step.require(bool(config.get("vbios_version")), "vbios_version", "none", "one")
    if device.architecture is None or device.architecture.tee_class == GPU:
        # a switch runs no driver, and reports none
        step.require(bool(config.get("driver_version")), "driver_version", "none", "one")
    return opaque


def _open(step: Step, device: Device, report: Report, opaque: Opaque, inputs: Inputs) -> Opened:
    if device.chain is None:
        pool = (*inputs.collateral.certificates, *inputs.anchors.material.certificates)
        path = chain.find(pool, opaque.fields.get(FWID, b""))
    else:
        path = device.chain
    chain.verify(step, path, inputs)
    chip, architecture = _chip(step, path)
    return Opened(
        device=device,
        report=report,
        opaque=opaque,
        path=path,
        architecture=architecture,
        chip=opaque.config.get("chip_info", "") or chip,
    )


def _chip(step: Step, path: Sequence[Certificate]) -> tuple[str, Architecture]:
    """Read the chip out of names that were certified, those nearest to NVIDIA's root first."""
    for one in reversed(path):
        chip = chip_of(one.common_name)
        architecture = of_chip(chip)
        if architecture is not None:
            return chip, architecture
    raise step.refusal(
        claim="chain",
        got=", ".join(one.common_name for one in path),
        expected="a name of a chip that is known (GH100, GB100, LS10 ...)",
    )


def questions(opened: Sequence[Opened]) -> dict[remote.Asked, tuple[Opened, ...]]:
    """Give what the attestation service is asked, and about whom: one architecture each."""
    groups: dict[tuple[bytes, str], list[Opened]] = {}
    for one in opened:
        groups.setdefault((one.report.request.nonce, one.architecture.wire), []).append(one)
    return {
        remote.Asked(
            tee_class=members[0].architecture.tee_class,
            architecture=wire,
            nonce=nonce,
            devices=tuple((one.device.report, one.pem) for one in members),
        ): tuple(members)
        for (nonce, wire), members in groups.items()
    }
