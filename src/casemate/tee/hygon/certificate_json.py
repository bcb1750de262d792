"""Hygon's certificates as evidence carries them: parsed structures, every byte a JSON number.

They are put back into the bytes that were signed, and read from there: one reader for both forms.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from casemate.tee.hygon.certificate import CA_FORM, CSV_FORM, CaCertificate, CsvCertificate

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Bytes16 = Annotated[tuple[U8, ...], Meta(min_length=16, max_length=16)]
Bytes24 = Annotated[tuple[U8, ...], Meta(min_length=24, max_length=24)]
Bytes72 = Annotated[tuple[U8, ...], Meta(min_length=72, max_length=72)]
Bytes108 = Annotated[tuple[U8, ...], Meta(min_length=108, max_length=108)]
Bytes112 = Annotated[tuple[U8, ...], Meta(min_length=112, max_length=112)]
Bytes254 = Annotated[tuple[U8, ...], Meta(min_length=254, max_length=254)]
Bytes368 = Annotated[tuple[U8, ...], Meta(min_length=368, max_length=368)]
Bytes608 = Annotated[tuple[U8, ...], Meta(min_length=608, max_length=608)]


class PointJson(msgspec.Struct, frozen=True):
    """A key: curve, and coordinates of 72 bytes, little-endian."""

    g: U32
    x: Bytes72
    y: Bytes72


class SignatureJson(msgspec.Struct, frozen=True):
    """A signature: two numbers of 72 bytes, little-endian."""

    r: Bytes72
    s: Bytes72


class _CaData(msgspec.Struct, frozen=True):
    kid: Bytes16
    sid: Bytes16
    usage: U32
    reserved: Bytes24


class _CaPreamble(msgspec.Struct, frozen=True):
    ver: U32
    data: _CaData


class _CaBody(msgspec.Struct, frozen=True):
    preamble: _CaPreamble
    pubkey: PointJson
    uid_size: U16
    user_id: Bytes254
    reserved: Bytes108


class CaJson(msgspec.Struct, frozen=True, rename={"reserved": "_reserved"}):
    """Certificate of an authority."""

    body: _CaBody
    signature: SignatureJson
    reserved: Bytes112


class _Firmware(msgspec.Struct, frozen=True):
    major: U8
    minor: U8


class _CsvKey(msgspec.Struct, frozen=True):
    usage: U32
    algo: U32
    key: PointJson


class _CsvData(msgspec.Struct, frozen=True):
    firmware: _Firmware
    reserved1: U16
    pubkey: _CsvKey
    uid_size: U16
    user_id: Bytes254
    sid: Bytes16
    reserved2: Bytes608


class _CsvBody(msgspec.Struct, frozen=True):
    ver: U32
    data: _CsvData


class _CsvSlot(msgspec.Struct, frozen=True, rename={"reserved": "_reserved"}):
    usage: U32
    algo: U32
    signature: SignatureJson
    reserved: Bytes368


class CsvJson(msgspec.Struct, frozen=True):
    """Certificate of CSV."""

    body: _CsvBody
    sigs: tuple[_CsvSlot, _CsvSlot]


class HskCekJson(msgspec.Struct, frozen=True):
    """Both certificates of a chip's maker."""

    hsk: CaJson
    cek: CsvJson


def read_ca(json: CaJson) -> CaCertificate:
    """Give the certificate; PeerError when its identity is longer than its field."""
    body, own = json.body, json.body.preamble.data
    return CaCertificate.parse(
        CA_FORM.encode(
            {
                "version": body.preamble.ver,
                "kid": bytes(own.kid),
                "sid": bytes(own.sid),
                "usage": own.usage,
                "reserved": bytes(own.reserved),
                "curve": body.pubkey.g,
                "x": _number(body.pubkey.x),
                "y": _number(body.pubkey.y),
                "uid_size": body.uid_size,
                "uid": bytes(body.user_id),
                "reserved2": bytes(body.reserved),
                "r": _number(json.signature.r),
                "s": _number(json.signature.s),
                "reserved3": bytes(json.reserved),
            }
        )
    )


def read_csv(json: CsvJson) -> CsvCertificate:
    """Give the certificate; PeerError when its identity is longer than its field."""
    own, (first, second) = json.body.data, json.sigs
    return CsvCertificate.parse(
        CSV_FORM.encode(
            {
                "version": json.body.ver,
                "major": own.firmware.major,
                "minor": own.firmware.minor,
                "reserved": own.reserved1,
                "usage": own.pubkey.usage,
                "algorithm": own.pubkey.algo,
                "curve": own.pubkey.key.g,
                "x": _number(own.pubkey.key.x),
                "y": _number(own.pubkey.key.y),
                "uid_size": own.uid_size,
                "uid": bytes(own.user_id),
                "sid": bytes(own.sid),
                "reserved2": bytes(own.reserved2),
                **_slot(first, "1", "reserved3"),
                **_slot(second, "2", "reserved4"),
            }
        )
    )


def write_ca(raw: bytes) -> CaJson:
    """Give the structure that ``read_ca`` reads, of 832 bytes."""
    values = CA_FORM.parse(raw)
    own = _CaData(
        _array(values["kid"]),
        _array(values["sid"]),
        values["usage"],
        _array(values["reserved"]),
    )
    return CaJson(
        body=_CaBody(
            _CaPreamble(values["version"], own),
            PointJson(values["curve"], _large(values["x"]), _large(values["y"])),
            values["uid_size"],
            _array(values["uid"]),
            _array(values["reserved2"]),
        ),
        signature=SignatureJson(_large(values["r"]), _large(values["s"])),
        reserved=_array(values["reserved3"]),
    )


def write_csv(raw: bytes) -> CsvJson:
    """Give the structure that ``read_csv`` reads, of 2084 bytes."""
    values = CSV_FORM.parse(raw)
    point = PointJson(values["curve"], _large(values["x"]), _large(values["y"]))
    own = _CsvData(
        firmware=_Firmware(values["major"], values["minor"]),
        reserved1=values["reserved"],
        pubkey=_CsvKey(values["usage"], values["algorithm"], point),
        uid_size=values["uid_size"],
        user_id=_array(values["uid"]),
        sid=_array(values["sid"]),
        reserved2=_array(values["reserved2"]),
    )
    first, second = (
        _CsvSlot(
            values[f"usage{n}"],
            values[f"algorithm{n}"],
            SignatureJson(_large(values[f"r{n}"]), _large(values[f"s{n}"])),
            _array(values[reserved]),
        )
        for n, reserved in ((1, "reserved3"), (2, "reserved4"))
    )
    return CsvJson(_CsvBody(values["version"], own), (first, second))


_BIG: Final = 72


def _slot(slot: _CsvSlot, number: str, reserved: str) -> dict[str, Any]:
    return {
        f"usage{number}": slot.usage,
        f"algorithm{number}": slot.algo,
        f"r{number}": _number(slot.signature.r),
        f"s{number}": _number(slot.signature.s),
        reserved: bytes(slot.reserved),
    }


def _number(array: tuple[int, ...]) -> int:
    return int.from_bytes(bytes(array), "little")


def _large(value: int) -> tuple[int, ...]:
    return tuple(value.to_bytes(_BIG, "little"))


def _array(value: bytes) -> tuple[int, ...]:
    return tuple(value)
