"""Secure Execution as a person reads it: response, request with its control block, image header."""

import struct

from casemate.tee.evidence import parse_json
from casemate.tee.layout import Field, Section
from casemate.tee.se import request_block
from casemate.tee.se.image_header import MAGIC, ImageHeader, ImageTags
from casemate.tee.se.report import (
    TEE,
    SePair,
    SeRequest,
    SeResponse,
    is_pair,
    require_sizes,
)
from casemate.tee.se.request_block import KeySlot, RequestBlock


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw a kept pair, a response, a request (JSON), a control block or an image (binary).

    Raises:
        PeerError: it is none of them.
    """
    if raw.startswith(MAGIC):
        return (Section("image header", ImageHeader.find(raw).fields()),)
    if raw.startswith(b"\0"):
        return (_block(RequestBlock.parse(raw)),)
    if is_pair(raw):
        pair = parse_json(raw, SePair, TEE)
        return (*_response(pair.response), *_request(pair.request))
    if b'"request_blob"' in raw[:64]:
        return _request(parse_json(raw, SeRequest, "se (request)"))
    return _response(parse_json(raw, SeResponse, TEE))


def _response(response: SeResponse) -> tuple[Section, ...]:
    require_sizes(response)
    plain = (
        ("measurement", response.measurement, "HMAC-SHA-512 by the machine's firmware"),
        ("user_data", response.user_data, "what the guest handed in: its report data"),
        ("cuid", response.cuid, "configuration unique id of the VM"),
        ("encr_measurement_key", response.encr_measurement_key, "echo of the request's"),
        ("encr_request_nonce", response.encr_request_nonce, "echo of the request's"),
        ("image_hdr_tags", response.image_hdr_tags, "echo of the request's"),
    )
    hashes = (
        ("image key", response.image_key_hash, "host key that the image was built for"),
        ("attestation key", response.attestation_key_hash, "host key that opened the request"),
    )
    return (
        Section("response", tuple(_hex(name, value, text) for name, value, text in plain)),
        Section(
            "additional data",
            tuple(
                _hex(name, value, f"SHA-256 of the {text}", 32 * at)
                for at, (name, value, text) in enumerate(hashes)
            ),
        ),
    )


def _request(request: SeRequest) -> tuple[Section, ...]:
    tags = ImageTags.parse(request.image_hdr_tags)
    return (
        Section(
            "request",
            (
                Field(name="measurement_size", value=str(request.measurement_size)),
                Field(name="additional_size", value=str(request.additional_size)),
                _hex("encr_measurement_key", request.encr_measurement_key, "for its maker alone"),
                _hex("encr_request_nonce", request.encr_request_nonce, "for its maker alone"),
            ),
        ),
        Section(
            "image header tags",
            (
                _hex("pld", tags.pld, "page list digest", 0),
                _hex("ald", tags.ald, "address list digest", 64),
                _hex("tld", tags.tld, "tweak list digest", 128),
                _hex("tag", tags.tag, "tag of the header", 192),
            ),
        ),
        _block(RequestBlock.parse(request.request_blob)),
    )


def _block(block: RequestBlock) -> Section:
    found = []
    at = 0
    for name, form, meaning in request_block.HEAD:
        size = struct.calcsize(">" + form)
        (value,) = struct.unpack_from(">" + form, block.raw, at)
        if isinstance(value, bytes):
            found.append(_hex(name, value, meaning, at))
        else:
            asked = ", ".join(flag.name or "" for flag in block.flags).lower()
            text = asked if name == "flags" else meaning
            shown = f"{value:#x}"
            found.append(Field(name=name, value=shown, meaning=text, offset=at, size=size))
        at += size
    for number, slot in enumerate(block.slots):
        found += _slot(number, slot, at)
        at += len(slot.encode())
    sealed = block.raw[at:]
    found.append(_hex("sealed", sealed, "measurement key, nonce and tag", at))
    return Section("attestation request control block", tuple(found))


def _slot(number: int, slot: KeySlot, at: int) -> list[Field]:
    name = f"slot {number}"
    return [
        _hex(f"{name} host key", slot.host_key_hash, "SHA-256 of the host key", at),
        _hex(f"{name} request key", slot.wrapped, "wrapped for that host, and tag", at + 32),
    ]


def _hex(name: str, value: bytes, meaning: str, offset: int | None = None) -> Field:
    return Field(name=name, value=value.hex(), meaning=meaning, offset=offset, size=len(value))
