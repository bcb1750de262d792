"""NVIDIA evidence as a person reads it: request, response, measurements, opaque data, chain."""

from collections.abc import Iterator

from casemate.tee.layout import Field, Section
from casemate.tee.nvidia.evidence import Device, parse
from casemate.tee.nvidia.opaque import NAMES, Opaque
from casemate.tee.nvidia.spdm import NONCE_SIZE, REQUEST_SIZE, SIGNATURE_SIZE, Report

_BLOCKS_AT = REQUEST_SIZE + 8
_BLOCK_HEAD = 7
_FIELD_HEAD = 4


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it; PeerError where it cannot be read."""
    return tuple(
        section for number, device in enumerate(parse(raw)) for section in _device(number, device)
    )


def _device(number: int, device: Device) -> Iterator[Section]:
    report = Report.parse(device.report)
    arch = device.architecture.wire if device.architecture else "of unknown architecture"
    title = f"device {number} ({arch}, uuid {device.uuid})"
    yield Section(f"{title}: request", tuple(_request(report)))
    yield Section(f"{title}: response", tuple(_response(report)))
    yield Section(f"{title}: measurements", tuple(_measurements(report)))
    yield Section(f"{title}: opaque data", tuple(_opaque(report)))
    if device.chain is not None:
        yield Section(
            f"{title}: certificates",
            tuple(
                Field(
                    name=one.common_name or "nobody",
                    value=one.fingerprint.hex(),
                    meaning=f"by {one.issuer_common_name}, {one.not_before:%Y-%m-%d} to "
                    f"{one.not_after:%Y-%m-%d}",
                )
                for one in device.chain
            ),
        )


def _request(report: Report) -> Iterator[Field]:
    request = report.request
    yield _number("version", request.version, 0, "SPDM 1.1 is 0x11")
    yield _number("code", request.code, 1, "0xe0: GET_MEASUREMENTS")
    yield _number("attributes", request.attributes, 2, "bit 0: a signature is asked for")
    yield _number("operation", request.operation, 3, "0xff: all measurements")
    yield Field(
        name="nonce",
        value=request.nonce.hex(),
        meaning="what the report is bound to",
        offset=4,
        size=NONCE_SIZE,
    )
    yield _number("slot", request.slot, 4 + NONCE_SIZE, "of the certificate chain")


def _response(report: Report) -> Iterator[Field]:
    response, at = report.response, REQUEST_SIZE
    yield _number("version", response.version, at, "SPDM 1.1 is 0x11")
    yield _number("code", response.code, at + 1, "0x60: MEASUREMENTS")
    yield _number("param1", response.parameters[0], at + 2, "")
    yield _number("param2", response.parameters[1], at + 3, "")
    yield _number("blocks", len(response.measurements), at + 4, "number of measurements")
    end = len(report.signed)
    nonce_at = end - len(response.opaque) - 2 - NONCE_SIZE
    yield Field(
        name="record length",
        value=str(nonce_at - _BLOCKS_AT),
        meaning="bytes of all measurements",
        offset=at + 5,
        size=3,
    )
    yield Field(
        name="nonce",
        value=response.nonce.hex(),
        meaning="the device's own",
        offset=nonce_at,
        size=NONCE_SIZE,
    )
    yield Field(
        name="opaque length",
        value=str(len(response.opaque)),
        offset=nonce_at + NONCE_SIZE,
        size=2,
    )
    yield Field(
        name="signature",
        value=report.signature.hex(),
        meaning="ECDSA P-384 over all before, r || s",
        offset=end,
        size=SIGNATURE_SIZE,
    )
    yield Field(name="tail", value=f"{report.tail} bytes", meaning="not signed, not read")


def _measurements(report: Report) -> Iterator[Field]:
    at = _BLOCKS_AT
    for one in report.response.measurements:
        yield Field(
            name=str(one.index),
            value=one.value.hex(),
            meaning=f"type {one.kind:#x}",
            offset=at + _BLOCK_HEAD,
            size=len(one.value),
        )
        at += _BLOCK_HEAD + len(one.value)


def _opaque(report: Report) -> Iterator[Field]:
    opaque = Opaque.parse(report.response.opaque)
    config = opaque.config
    at = len(report.signed) - len(report.response.opaque)
    for kind, value in opaque.fields.items():
        name = NAMES.get(kind, f"type {kind}")
        yield Field(
            name=name,
            value=value.hex(),
            meaning=str(config.get(name, "no name yet")),
            offset=at + _FIELD_HEAD,
            size=len(value),
        )
        at += _FIELD_HEAD + len(value)


def _number(name: str, value: int, offset: int, meaning: str) -> Field:
    return Field(name=name, value=f"{value:#04x}", meaning=meaning, offset=offset, size=1)
