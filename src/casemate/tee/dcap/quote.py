"""The quote envelope, little-endian: header, body, signature data (tee §4.2).

Every length must fit what it measures exactly, so that nothing of a quote's signed or signing parts
is left unread. What stands behind the signature data (Azure and others pad) is counted only.
"""

from enum import IntEnum
from struct import Struct
from typing import Final, Self

import msgspec

from casemate.errors import PeerError
from casemate.tee.dcap.bodies import (
    SGX_REPORT,
    TD_REPORT,
    TD_REPORT_15,
    SgxReport,
    TdReport,
)
from casemate.tee.dcap.fields import Part, Record

INTEL_QE: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
"""QE vendor id of Intel's quoting enclaves, 16 bytes."""
LARGEST: Final = 1 << 20
"""Bytes of a quote that are looked at; real ones have about 5 KB."""
LARGEST_CERTIFICATION: Final = 64 * 1024
"""Bytes of the certificates inside."""

_SPEC: Final = "tee §4.2"
_ECDSA_P256: Final = 2
QE_CERTIFICATION: Final = 6
PEM_CHAIN: Final = 5
_HEADER_SIZE: Final = 48


class TeeType(IntEnum):
    """What was quoted."""

    SGX = 0x00
    TDX = 0x81


class BodyType(IntEnum):
    """Body of a version 5 quote."""

    SGX = 1
    TD_10 = 2
    TD_15 = 3


HEADER_V3: Final = Record(
    "quote header",
    _SPEC,
    Part("version", 2, "format of the quote"),
    Part("att_key_type", 2, "2: ECDSA P-256"),
    Part("att_key_data_0", 4, "reserved; zero"),
    Part("qe_svn", 2, "security version of the quoting enclave"),
    Part("pce_svn", 2, "security version of the provisioning certification enclave"),
    Part("vendor_id", 16, "vendor of the quoting enclave"),
    Part("user_data", 20, "the quoting enclave's own: its id in the first 16 bytes"),
)
HEADER_V4: Final = Record(
    "quote header",
    _SPEC,
    Part("version", 2, "format of the quote"),
    Part("att_key_type", 2, "2: ECDSA P-256"),
    Part("tee_type", 4, "00 SGX, 81 TDX"),
    Part("reserved", 4, "reserved"),
    Part("vendor_id", 16, "vendor of the quoting enclave"),
    Part("user_data", 20, "the quoting enclave's own: its id in the first 16 bytes"),
)
DESCRIPTOR: Final = Record(
    "body descriptor",
    _SPEC,
    Part("type", 2, "1 SGX, 2 TD 1.0, 3 TD 1.5"),
    Part("size", 4, "bytes of the body"),
)

_VERSION_3: Final = 3
_VERSION_5: Final = 5
_VERSIONS: Final = frozenset({3, 4, 5})
HEADER: Final = Struct("<HHI4s16s20s")
_DESCRIPTOR: Final = Struct("<HI")
U16: Final = Struct("<H")
U32: Final = Struct("<I")
CERTIFICATION: Final = Struct("<HI")
_BODIES: Final = {
    BodyType.SGX: SGX_REPORT,
    BodyType.TD_10: TD_REPORT,
    BodyType.TD_15: TD_REPORT_15,
}


class Header(msgspec.Struct, frozen=True):
    """The first 48 bytes."""

    version: int
    att_key_type: int
    tee_type: TeeType
    reserved: bytes
    """4 bytes; version 3 keeps qe_svn and pce_svn here."""
    vendor_id: bytes
    user_data: bytes

    @property
    def record(self) -> Record:
        """The table that names this version's fields."""
        return HEADER_V3 if self.version == _VERSION_3 else HEADER_V4

    def encode(self) -> bytes:
        """Write 48 bytes."""
        return HEADER.pack(
            self.version,
            self.att_key_type,
            self.tee_type,
            self.reserved,
            self.vendor_id,
            self.user_data,
        )


class SignatureData(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed: quote ← attestation key ← quoting enclave's report ← PCK certificate."""

    signature: bytes
    """Of header and body, r‖s big-endian, 64 bytes, by ``attestation_key``."""
    attestation_key: bytes
    """x‖y big-endian, 64 bytes."""
    qe_report: bytes
    """The quoting enclave's SGX report, 384 bytes, as it was signed."""
    qe_signature: bytes
    """Of ``qe_report``, r‖s, 64 bytes, by the PCK certificate's key."""
    auth_data: bytes
    """Bound into the quoting enclave's report together with the key."""
    certificates: bytes
    """PEM: PCK leaf, its authority, root; NUL-terminated in versions 4 and 5."""

    def encode(self, version: int) -> bytes:
        """Write it as quotes of ``version`` hold it, its own length left out."""
        inner = b"".join(
            (
                self.qe_report,
                self.qe_signature,
                U16.pack(len(self.auth_data)),
                self.auth_data,
                CERTIFICATION.pack(PEM_CHAIN, len(self.certificates)),
                self.certificates,
            )
        )
        wrapped = (
            inner
            if version == _VERSION_3
            else CERTIFICATION.pack(QE_CERTIFICATION, len(inner)) + inner
        )
        return self.signature + self.attestation_key + wrapped


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A quote as read. Nothing of it is verified."""

    header: Header
    body_type: BodyType
    """Written in version 5; follows from the header in 3 and 4."""
    body: TdReport | SgxReport
    signature_data: SignatureData
    signed: bytes
    """Header and body (with the descriptor in version 5): what the quote's signature covers."""
    tail: int = 0
    """Bytes behind the signature data, which nobody signed and nobody reads."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a quote of version 3, 4 or 5.

        Raises:
            PeerError: another version or kind, a length that does not fit, or cut.
        """
        if len(raw) > LARGEST:
            raise _error("quote", f"{len(raw)} bytes", f"at most {LARGEST} bytes")
        header = _parse_header(raw)
        body_type, body_at = _body_of(raw, header)
        record = _BODIES[body_type]
        end = body_at + record.size
        if len(raw) < end:
            raise _error(record.title, f"{max(len(raw) - body_at, 0)} bytes", f"{record.size}")
        values = record.split(raw, body_at)
        body = SgxReport(*values) if body_type is BodyType.SGX else TdReport(*values)
        reader = _Reader(raw, end, len(raw))
        size = reader.number(U32, "signature data")
        data = _parse_signature_data(reader.inside(size, "signature data"), header.version)
        return cls(
            header=header,
            body_type=body_type,
            body=body,
            signature_data=data,
            signed=raw[:end],
            tail=reader.left,
        )

    @property
    def version(self) -> int:
        """3, 4 or 5."""
        return self.header.version

    @property
    def body_offset(self) -> int:
        """Where the body begins, in bytes."""
        return _HEADER_SIZE + (DESCRIPTOR.size if self.version == _VERSION_5 else 0)

    @property
    def size(self) -> int:
        """Bytes of the quote, tail left out."""
        return len(self.signed) + 4 + len(self.signature_data.encode(self.version))

    def encode(self) -> bytes:
        """Write the quote without tail; the inverse of ``parse``."""
        data = self.signature_data.encode(self.version)
        return encode_signed(self.header, self.body) + U32.pack(len(data)) + data


def encode_signed(header: Header, body: TdReport | SgxReport) -> bytes:
    """Write header and body: what the quote's signature covers."""
    raw = body.encode()
    if header.version != _VERSION_5:
        return header.encode() + raw
    return header.encode() + _DESCRIPTOR.pack(body_type_of(body), len(raw)) + raw


def body_type_of(body: TdReport | SgxReport) -> BodyType:
    """Give the number that version 5 writes for a body."""
    if isinstance(body, SgxReport):
        return BodyType.SGX
    return BodyType.TD_10 if body.tee_tcb_svn2 is None else BodyType.TD_15


def _parse_header(raw: bytes) -> Header:
    if len(raw) < _HEADER_SIZE:
        raise _error("quote header", f"{len(raw)} bytes", f"{_HEADER_SIZE} bytes")
    version, key_type, tee_type, reserved, vendor_id, user_data = HEADER.unpack_from(raw)
    if version not in _VERSIONS:
        raise _error("quote version", version, "3, 4 or 5")
    if key_type != _ECDSA_P256:
        raise _error("attestation key type", key_type, "2 (ECDSA P-256)")
    if tee_type not in ({TeeType.SGX} if version == _VERSION_3 else set(TeeType)):
        raise _error("TEE type", f"{tee_type:#x}", "0 (SGX), or 0x81 (TDX) in version 4 and 5")
    if vendor_id != INTEL_QE:
        raise _error("QE vendor id", vendor_id.hex(), f"{INTEL_QE.hex()} (Intel)")
    return Header(version, key_type, TeeType(tee_type), reserved, vendor_id, user_data)


def _body_of(raw: bytes, header: Header) -> tuple[BodyType, int]:
    """Give the body's type and where it begins."""
    is_sgx = header.tee_type is TeeType.SGX
    if header.version != _VERSION_5:
        return (BodyType.SGX if is_sgx else BodyType.TD_10), _HEADER_SIZE
    if len(raw) < _HEADER_SIZE + DESCRIPTOR.size:
        raise _error("body descriptor", f"{len(raw) - _HEADER_SIZE} bytes", "6 bytes")
    number, size = _DESCRIPTOR.unpack_from(raw, _HEADER_SIZE)
    allowed = {BodyType.SGX} if is_sgx else {BodyType.TD_10, BodyType.TD_15}
    if number not in allowed:
        wanted = ", ".join(f"{one.value} ({one.name})" for one in sorted(allowed))
        raise _error("body type", number, f"{wanted} for TEE type {header.tee_type:#x}")
    kind = BodyType(number)
    if size != _BODIES[kind].size:
        raise _error("body size", size, f"{_BODIES[kind].size} bytes for type {number}")
    return kind, _HEADER_SIZE + DESCRIPTOR.size


def _parse_signature_data(reader: "_Reader", version: int) -> SignatureData:
    signature = reader.take(64, "quote signature")
    key = reader.take(64, "attestation key")
    if version != _VERSION_3:
        size = reader.certification(QE_CERTIFICATION, "6 (QE report certification data)")
        inner = reader.inside(size, "QE report certification data")
        reader.require_end("QE report certification data")
        reader = inner
    qe_report = reader.take(SGX_REPORT.size, "QE report")
    qe_signature = reader.take(64, "QE report signature")
    auth_data = reader.take(reader.number(U16, "QE authentication data"), "QE authentication data")
    size = reader.certification(PEM_CHAIN, "5 (PCK certificate chain)")
    if size > LARGEST_CERTIFICATION:
        raise _error("PCK certificate chain", f"{size} bytes", f"at most {LARGEST_CERTIFICATION}")
    certificates = reader.take(size, "PCK certificate chain")
    reader.require_end("PCK certificate chain")
    return SignatureData(
        signature=signature,
        attestation_key=key,
        qe_report=qe_report,
        qe_signature=qe_signature,
        auth_data=auth_data,
        certificates=certificates,
    )


class _Reader:
    """Bounded reader of a range of bytes."""

    __slots__ = ("_at", "_end", "_raw")

    def __init__(self, raw: bytes, at: int, end: int) -> None:
        self._raw = raw
        self._at = at
        self._end = end

    @property
    def left(self) -> int:
        return self._end - self._at

    def _advance(self, size: int, where: str) -> int:
        if size > self.left:
            raise _error(where, f"{self.left} bytes", f"{size} bytes")
        at = self._at
        self._at += size
        return at

    def take(self, size: int, where: str) -> bytes:
        at = self._advance(size, where)
        return self._raw[at : at + size]

    def number(self, form: Struct, where: str) -> int:
        (found,) = form.unpack_from(self._raw, self._advance(form.size, f"length of {where}"))
        return int(found)

    def certification(self, wanted: int, name: str) -> int:
        """Read a certification data head of the wanted type; gives the length it announces."""
        where = "certification data"
        kind, size = CERTIFICATION.unpack_from(self._raw, self._advance(6, where))
        if kind != wanted:
            raise _error("certification data type", kind, name)
        return int(size)

    def inside(self, size: int, where: str) -> "_Reader":
        """Give a reader of the next ``size`` bytes alone."""
        at = self._advance(size, where)
        return _Reader(self._raw, at, at + size)

    def require_end(self, where: str) -> None:
        if self.left:
            raise _error(where, f"{self.left} bytes behind it", "none")


def _error(where: str, got: object, want: str) -> PeerError:
    return PeerError(where, got=got, want=want, spec=_SPEC)
