"""CSV evidence and its report (tee §10): JSON of the wire, or the firmware's report alone.

A version 1 report is masked: its fields are XORed with ``anonce``, four bytes repeated, and so are
the certificate and the serial number behind it, until the guest's library takes the mask off
those two. A version 2 report has no mask.
"""

import re
from typing import Annotated, Any, Final, Self

import msgspec
from msgspec import Meta

from casemate.crypto.sm2 import Signature
from casemate.errors import PeerError
from casemate.tee.evidence_json import parse_json
from casemate.tee.hygon.certificate import CSV_SIZE, CsvCertificate, Usage
from casemate.tee.hygon.certificate_json import (
    U8,
    U32,
    Bytes16,
    CsvJson,
    HskCekJson,
    read_ca,
    read_csv,
)
from casemate.tee.hygon.chain import HskCek
from casemate.tee.hygon.form import Form, big, data, number

TEE: Final = "csv"
PAGE: Final = 4096
"""Bytes of a report in evidence: the device answers a page."""
MAGIC: Final = b"ATTESTATION_EXT\0"
"""Marks an answer of firmware that knows version 2."""
REGISTERS: Final = 5
REPORT_DATA_SIZE: Final = 64

_SPEC: Final = "tee §10"
_SERIAL: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")

_HEAD: Final = (
    data("user_pubkey_digest", 32, "digest of the owner's session key"),
    data("vm_id", 16, "the owner's name for the VM"),
    data("vm_version", 16, "the owner's version of the VM"),
    data("report_data", REPORT_DATA_SIZE, "what the report is bound to"),
    data("mnonce", 16, "the guest's nonce: key of the MAC"),
    data("measure", 32, "launch measurement, SM3"),
    number("policy", 4, "bits 0 nodbg, 1 noks, 2 es, 3 nosend, 4 domain, 5 csv, 6 csv3, ..."),
    number("sig_usage", 4, "0x1002: signed by PEK"),
    number("sig_algo", 4, "4: SM2 with SM3"),
)
V1_FORM: Final = Form(
    "CSV report, version 1",
    *_HEAD,
    number("anonce", 4, "the mask: all above is XORed with it"),
    big("r", "signature by PEK, over the first 180 bytes as they lie"),
    big("s", "signature"),
)
V2_FORM: Final = Form(
    "CSV report, version 2",
    *_HEAD,
    number("build", 4, "build of the firmware"),
    number("rtmr_version", 2, "version of the registers"),
    data("reserved0", 14, "signed"),
    *(data(f"rtmr{i}", 32, f"run-time measurement register {i}, SM3") for i in range(REGISTERS)),
    data("reserved1", 656, "signed"),
    big("r", "signature by PEK, over all above"),
    big("s", "signature"),
)
SIGNER_FORM: Final = Form(
    "CSV report, its signer",
    data("pek", CSV_SIZE, "certificate of the platform"),
    data("serial_number", 64, "of the chip, text"),
    data("reserved", 32, "covered by the MAC; the guest's library erases it"),
    data("mac", 32, "HMAC-SM3, keyed with mnonce, over the three before as the firmware gave them"),
)
V1_SIGNED: Final = V1_FORM.offsets["sig_usage"]
V2_SIGNED: Final = V2_FORM.offsets["r"]
V1_SIZE: Final = V1_FORM.size + SIGNER_FORM.size
V2_SIZE: Final = V2_FORM.size + SIGNER_FORM.size
MASKED: Final = V1_FORM.offsets["anonce"]
"""Bytes of a version 1 report that the mask covers."""
_MAC_AT: Final = SIGNER_FORM.offsets["mac"]
_MASKED_SIGNER: Final = SIGNER_FORM.offsets["reserved"]


def mask(content: bytes, anonce: int) -> bytes:
    """XOR with four bytes (little-endian), repeated; once more takes it off."""
    size = len(content)
    pattern = (anonce.to_bytes(4, "little") * (size // 4 + 1))[:size]
    return (int.from_bytes(content, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


class Policy(msgspec.Struct, frozen=True):
    """Guest policy, 32 bits."""

    bits: int

    @property
    def debug_allowed(self) -> bool:
        """Whether the host may look into the VM: bit 0, nodbg, is not set."""
        return not self.bits & 1

    @property
    def send_allowed(self) -> bool:
        """Whether the VM may be sent to another platform: bit 3, nosend, is not set."""
        return not self.bits >> 3 & 1

    def claims(self) -> dict[str, int]:
        """Each part by upstream's name, as a number."""
        flags = ("nodbg", "noks", "es", "nosend", "domain", "csv", "csv3", "asid_reuse")
        return {name: self.bits >> bit & 1 for bit, name in enumerate(flags)} | {
            "hsk_version": self.bits >> 8 & 0xF,
            "cek_version": self.bits >> 12 & 0xF,
            "api_major": self.bits >> 16 & 0xFF,
            "api_minor": self.bits >> 24 & 0xFF,
        }


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """What version 2 adds."""

    build: int
    rtmr_version: int
    reserved0: bytes
    rtmrs: tuple[bytes, ...]
    """Five registers of 32 bytes."""
    reserved1: bytes


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report, its mask taken off."""

    version: int
    """1 or 2."""
    user_pubkey_digest: bytes
    vm_id: bytes
    vm_version: bytes
    report_data: bytes
    """64 bytes."""
    mnonce: bytes
    measure: bytes
    policy: Policy
    sig_usage: int
    sig_algo: int
    anonce: int
    """The mask; 0 for version 2."""
    extension: Extension | None
    signed: bytes
    """What PEK's signature covers, as it lies."""
    signature: Signature
    pek: CsvCertificate
    serial_number: str
    mac: bytes
    mac_message: bytes
    """What the MAC covers, as the firmware gave it (unless the reserved bytes were erased)."""
    restored: bool
    """The guest's library has taken the mask off the signer, and erased its reserved bytes."""

    @classmethod
    def parse(cls, raw: bytes, version: int) -> Self:
        """Read a report: what follows its size is padding.

        Raises:
            PeerError: shorter than its version, or a serial number that is no text.
        """
        form, signed = (V1_FORM, V1_SIGNED) if version == 1 else (V2_FORM, V2_SIGNED)
        size = form.size + SIGNER_FORM.size
        if len(raw) < size:
            raise PeerError(form.title, got=f"{len(raw)} bytes", want=f"{size} bytes", spec=_SPEC)
        values = form.parse(raw[: form.size])
        anonce = values.get("anonce", 0)
        plain = form.parse(mask(raw[:MASKED], anonce) + raw[MASKED : form.size])
        signer = raw[form.size : size]
        pek, serial, message, restored = _signer(signer, anonce)
        return cls(
            version=version,
            user_pubkey_digest=plain["user_pubkey_digest"],
            vm_id=plain["vm_id"],
            vm_version=plain["vm_version"],
            report_data=plain["report_data"],
            mnonce=plain["mnonce"],
            measure=plain["measure"],
            policy=Policy(plain["policy"]),
            sig_usage=plain["sig_usage"],
            sig_algo=plain["sig_algo"],
            anonce=anonce,
            extension=_extension(plain) if version == 2 else None,
            signed=raw[:signed],
            signature=Signature(values["r"], values["s"]),
            pek=pek,
            serial_number=serial_text(serial),
            mac=signer[_MAC_AT:],
            mac_message=message,
            restored=restored,
        )


class ReportJson(msgspec.Struct, frozen=True):
    """What the device answered: a page, and how to read it."""

    magic: Bytes16
    flags: U32
    data: Annotated[tuple[U8, ...], Meta(min_length=PAGE, max_length=PAGE)]


class ChainJson(msgspec.Struct, frozen=True, omit_defaults=True):
    """Certificates that came with the report."""

    pek: CsvJson
    hsk_cek: HskCekJson | None = None


class EvidenceJson(msgspec.Struct, frozen=True):
    """Evidence of the wire."""

    attestation_report: ReportJson
    cert_chain: ChainJson
    serial_number: Annotated[tuple[U8, ...], Meta(min_length=1, max_length=64)]
    """Text, padded with zeros."""
    cc_eventlog: bytes | None = None
    """TCG2 log, base64."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence, from either form."""

    report: Report
    pek: CsvCertificate
    """As it stands beside the report."""
    serial_number: str
    """As it stands beside the report."""
    hsk_cek: HskCek | None = None
    event_log: bytes | None = None


def parse(raw: bytes) -> Evidence:
    """Read evidence: a report of at most a page is binary, JSON is always longer.

    Raises:
        PeerError: neither, or any part of it cannot be read.
    """
    if len(raw) <= PAGE:
        report = Report.parse(raw, version_of_binary(raw))
        return Evidence(report=report, pek=report.pek, serial_number=report.serial_number)
    json = parse_json(raw, EvidenceJson, TEE)
    given = json.cert_chain.hsk_cek
    return Evidence(
        report=Report.parse(
            bytes(json.attestation_report.data), version_of_json(json.attestation_report)
        ),
        pek=read_csv(json.cert_chain.pek),
        serial_number=serial_text(bytes(json.serial_number)),
        hsk_cek=HskCek(read_ca(given.hsk), read_csv(given.cek)) if given else None,
        event_log=json.cc_eventlog,
    )


def version_of_json(report: ReportJson) -> int:
    """Say which version a page holds: 2 when the magic is there and flag 0 is set, else 1.

    Raises:
        PeerError: another magic, or other flags.
    """
    match bytes(report.magic), report.flags:
        case (magic, 0) if magic in {bytes(16), MAGIC}:
            return 1
        case (magic, 1) if magic == MAGIC:
            return 2
        case magic, flags:
            raise PeerError(
                "attestation_report",
                got=f"magic {magic!r} with flags {flags:#x}",
                want="zeros with 0, or ATTESTATION_EXT with 0 or 1",
                spec=_SPEC,
            )


def version_of_binary(raw: bytes) -> int:
    """Say which version a report alone is, by its size, or by where a padded page ends.

    Raises:
        PeerError: it is neither 2548, 3380 nor 4096 bytes.
    """
    match len(raw):
        case size if size == V1_SIZE:
            return 1
        case size if size == V2_SIZE:
            return 2
        case size if size == PAGE:
            return 2 if any(raw[V1_SIZE:V2_SIZE]) else 1
        case size:
            raise PeerError(
                "CSV evidence",
                got=f"{size} bytes",
                want=f"JSON, or a report of {V1_SIZE}, {V2_SIZE} or {PAGE} bytes",
                spec=_SPEC,
            )


def serial_text(raw: bytes) -> str:
    """Read a serial number: letters and digits, padded with zeros.

    Raises:
        PeerError: anything else.
    """
    text = raw.rstrip(b"\0").decode("ascii", "replace")
    if not _SERIAL.fullmatch(text):
        raise PeerError("serial_number", got=text, want="1 to 64 letters and digits", spec=_SPEC)
    return text


def _signer(raw: bytes, anonce: int) -> tuple[CsvCertificate, bytes, bytes, bool]:
    """Read PEK and serial number, masked or not, and give what the MAC covers."""
    values = SIGNER_FORM.parse(raw)
    plain = CsvCertificate.parse(values["pek"]) if _is_pek(values["pek"]) else None
    if plain is not None:
        whole = mask(raw[:_MASKED_SIGNER], anonce) + values["reserved"]
        return plain, values["serial_number"], whole, not any(values["reserved"])
    unmasked = SIGNER_FORM.parse(mask(raw[:_MASKED_SIGNER], anonce) + raw[_MASKED_SIGNER:])
    pek = CsvCertificate.parse(unmasked["pek"])
    return pek, unmasked["serial_number"], raw[:_MAC_AT], False


def _is_pek(raw: bytes) -> bool:
    """Say whether a certificate lies there without a mask: by its usage."""
    return int.from_bytes(raw[8:12], "little") == Usage.PEK


def _extension(values: dict[str, Any]) -> Extension:
    return Extension(
        build=values["build"],
        rtmr_version=values["rtmr_version"],
        reserved0=values["reserved0"],
        rtmrs=tuple(values[f"rtmr{index}"] for index in range(REGISTERS)),
        reserved1=values["reserved1"],
    )
