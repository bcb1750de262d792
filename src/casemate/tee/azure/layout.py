"""Evidence of both Azure TEEs as a person reads it."""

from collections.abc import Callable
from typing import Final

from casemate.errors import PeerError
from casemate.tee.azure.evidence import Presented
from casemate.tee.azure.hcl import LAYOUT, SIGNATURE, VARIABLE_OFFSET, HclReport, Kind
from casemate.tee.azure.variable_data import VariableData
from casemate.tee.layout import Field, Section
from casemate.tee.vtpm.layout import QUOTE, quote_section, readable, register_section, unreadable

HCL: Final = "paravisor's report (HCL)"
VARIABLE: Final = "variable data"

Draw = Callable[[bytes], tuple[Section, ...]]


def sections(
    raw: bytes,
    *,
    kind: Kind,
    read: Callable[[bytes], Presented],
    hardware: Draw,
    endorsement: Draw,
) -> tuple[Section, ...]:
    """Draw evidence (JSON), or a paravisor's report alone (binary).

    Args:
        raw: either.
        kind: which hardware's reports are drawn.
        read: the TEE's reader of evidence.
        hardware: draws the hardware report; PeerError where it is none.
        endorsement: draws what goes beside it.

    Raises:
        PeerError: it cannot be read, or is a report of other hardware.
    """
    if raw.startswith(SIGNATURE):
        report = HclReport.parse(raw)
        if report.kind is not kind:
            raise PeerError("report type", got=report.kind.name, want=kind.name)
        return _hcl_sections(raw, hardware)
    presented = read(raw)
    return (
        Section(
            "evidence",
            (
                Field(
                    name="version",
                    value=str(presented.version),
                    meaning="0 has none on the wire; from 2 on the report binds the session",
                ),
            ),
        ),
        readable(QUOTE, quote_section, presented.message),
        Section(
            "TPM signature (RSASSA)",
            (
                Field(
                    name="signature",
                    value=presented.signature.hex(),
                    meaning="over the quote",
                    offset=0,
                    size=len(presented.signature),
                ),
            ),
        ),
        register_section([value.hex() for value in presented.pcrs]),
        *_hcl_sections(presented.hcl_report, hardware),
        *_drawn("endorsement", endorsement, presented.endorsement),
    )


def _hcl_sections(raw: bytes, hardware: Draw) -> tuple[Section, ...]:
    try:
        report = HclReport.parse(raw)
    except PeerError as error:
        return (unreadable(HCL, raw, error),)
    return (
        _head_section(raw, report),
        *_drawn("hardware report", hardware, report.hardware_report),
        readable(VARIABLE, _variable_section, report.variable_data),
    )


def _drawn(title: str, draw: Draw, raw: bytes) -> tuple[Section, ...]:
    try:
        return draw(raw)
    except PeerError as error:
        return (unreadable(title, raw, error),)


def _head_section(raw: bytes, report: HclReport) -> Section:
    end = VARIABLE_OFFSET + len(report.variable_data)
    fields = [
        Field(
            name=part.name,
            value=raw[part.offset : part.offset + part.size].hex(),
            meaning=part.meaning,
            offset=part.offset,
            size=part.size,
        )
        for part in LAYOUT
    ]
    fields.append(
        Field(
            name="variable_data",
            value=report.variable_data.decode("utf-8", "replace"),
            meaning=f"its binding is {report.binding.hex()}",
            offset=VARIABLE_OFFSET,
            size=len(report.variable_data),
        )
    )
    tail = raw[end:]
    if tail:
        meaning = "never read; " + ("not all zeros" if any(tail) else "zeros")
        fields.append(
            Field(name="rest", value=tail.hex(), meaning=meaning, offset=end, size=len(tail))
        )
    return Section(HCL, tuple(fields))


def _variable_section(raw: bytes) -> Section:
    data = VariableData.parse(raw)
    keys = tuple(
        Field(name=f"keys.{key.kid or number}", value=repr(key), meaning="JWK")
        for number, key in enumerate(data.keys)
    )
    configuration = tuple(
        Field(name=f"vm-configuration.{name}", value=str(value))
        for name, value in data.vm_configuration.items()
    )
    user = Field(
        name="user-data",
        value=data.user_data or "",
        meaning="the guest's 64 bytes: report data and zeros" if data.user_data else "absent",
    )
    return Section(VARIABLE, (*keys, *configuration, user))
