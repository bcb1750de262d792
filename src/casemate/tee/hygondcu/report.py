"""Evidence of Hygon's accelerators (tee §11): a report of each, JSON of the wire or binary."""

import re
from typing import Annotated, Final, Self

import msgspec
from msgspec import Meta

from casemate.crypto.sm2 import Signature
from casemate.errors import PeerError
from casemate.tee.evidence import LARGEST_EVIDENCE, parse_json
from casemate.tee.hygon.certificate_json import U8, U32, Bytes16, SignatureJson
from casemate.tee.hygon.form import Form, big, data, number

TEE: Final = "hygondcu"
MOST_REPORTS: Final = 64
"""Accelerators of one machine."""
USER_DATA_SIZE: Final = 64

_SPEC: Final = "tee §11"
_TEXT: Final = re.compile(r"[0-9A-Za-z_-]{1,16}")

FORM: Final = Form(
    "DCU report",
    number("version", 4, "version of the form"),
    data("chip_id", 16, "of the accelerator, text padded with zeros"),
    data("user_data", USER_DATA_SIZE, "what the report is bound to"),
    data("measure", 32, "measurement of its firmware"),
    data("reserved", 128, "signed"),
    number("sig_usage", 4, "0x1004: signed by CEK"),
    number("sig_algo", 4, "4: SM2 with SM3"),
    big("r", "signature by CEK, over all above"),
    big("s", "signature"),
)
SIGNED: Final = FORM.offsets["r"]

Bytes32 = Annotated[tuple[U8, ...], Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[tuple[U8, ...], Meta(min_length=64, max_length=64)]
Bytes128 = Annotated[tuple[U8, ...], Meta(min_length=128, max_length=128)]


class BodyJson(msgspec.Struct, frozen=True):
    """What is signed."""

    version: U32
    chip_id: Bytes16
    user_data: Bytes64
    measure: Bytes32
    reserved: Bytes128
    sig_usage: U32
    sig_algo: U32


class ReportJson(msgspec.Struct, frozen=True):
    """A report of one accelerator."""

    body: BodyJson
    sig: SignatureJson


class EvidenceJson(msgspec.Struct, frozen=True):
    """Evidence of the wire."""

    attestation_reports: Annotated[
        tuple[ReportJson, ...], Meta(min_length=1, max_length=MOST_REPORTS)
    ]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report."""

    raw: bytes
    """396 bytes."""
    version: int
    chip_id: bytes
    user_data: bytes
    """64 bytes."""
    measure: bytes
    reserved: bytes
    sig_usage: int
    sig_algo: int
    signature: Signature

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read 396 bytes; PeerError for another size."""
        values = FORM.parse(raw)
        signature = Signature(values.pop("r"), values.pop("s"))
        return cls(raw=raw, signature=signature, **values)

    @property
    def signed(self) -> bytes:
        """What the signature covers: 252 bytes."""
        return self.raw[:SIGNED]

    @property
    def chip(self) -> str:
        """The chip's name as Hygon's service knows it; hex when it is no text."""
        text = self.chip_id.rstrip(b"\0").decode("ascii", "replace")
        return text if _TEXT.fullmatch(text) else self.chip_id.hex()


def parse(raw: bytes) -> tuple[Report, ...]:
    """Read evidence: JSON, or reports one after the other.

    Raises:
        PeerError: neither, none at all, or more than 64.
    """
    if raw.lstrip()[:1] == b"{":
        json = parse_json(raw, EvidenceJson, TEE)
        return tuple(Report.parse(_encode(one)) for one in json.attestation_reports)
    count, rest = divmod(len(raw), FORM.size)
    if rest or not 1 <= count <= MOST_REPORTS or len(raw) > LARGEST_EVIDENCE:
        raise PeerError(
            "DCU evidence",
            got=f"{len(raw)} bytes",
            want=f"JSON, or 1 to {MOST_REPORTS} reports of {FORM.size} bytes",
            spec=_SPEC,
        )
    return tuple(Report.parse(raw[at : at + FORM.size]) for at in range(0, len(raw), FORM.size))


def to_json(reports: tuple[Report, ...]) -> EvidenceJson:
    """Give the evidence of the wire."""
    return EvidenceJson(
        tuple(
            ReportJson(
                body=BodyJson(
                    version=one.version,
                    chip_id=tuple(one.chip_id),
                    user_data=tuple(one.user_data),
                    measure=tuple(one.measure),
                    reserved=tuple(one.reserved),
                    sig_usage=one.sig_usage,
                    sig_algo=one.sig_algo,
                ),
                sig=SignatureJson(
                    tuple(one.signature.r.to_bytes(72, "little")),
                    tuple(one.signature.s.to_bytes(72, "little")),
                ),
            )
            for one in reports
        )
    )


def _encode(json: ReportJson) -> bytes:
    body = json.body
    return FORM.encode(
        {
            "version": body.version,
            "chip_id": bytes(body.chip_id),
            "user_data": bytes(body.user_data),
            "measure": bytes(body.measure),
            "reserved": bytes(body.reserved),
            "sig_usage": body.sig_usage,
            "sig_algo": body.sig_algo,
            "r": int.from_bytes(bytes(json.sig.r), "little"),
            "s": int.from_bytes(bytes(json.sig.s), "little"),
        }
    )
