"""Evidence on the wire (tee §3.1): the report as numbers and lists of bytes, and certificates.

A report in JSON is re-encoded to the 1184 bytes that were signed, so nothing that JSON cannot say
takes part in the verdict.
"""

from typing import Annotated, Any, Final, Literal, Self

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.revocation import RevocationList
from casemate.errors import PeerError
from casemate.tee.evidence import parse_json
from casemate.tee.snp.report import (
    LAYOUT,
    OLDEST_WITH_MITIGATIONS,
    OLDEST_WITH_MODEL,
    SIZE,
    TEE,
    Release,
    Report,
    require_version,
)
from casemate.tee.snp.tcb import Tcb
from casemate.tee.snp.vek import SUBJECTS

_SPEC: Final = "tee §3.1"
_SIGNATURE: Final = frozenset({"signature_r", "signature_s"})
_BYTES: Final = tuple(
    part.name
    for part in LAYOUT
    if part.form.endswith("s") and part.size >= 16 and part.name and part.name not in _SIGNATURE
)
_CERTIFICATES: Final = frozenset({"ARK", "ASK", "VCEK", "VLEK"})
_SINCE: Final = tuple(
    (part.name, part.since)
    for part in LAYOUT
    if part.since in {OLDEST_WITH_MODEL, OLDEST_WITH_MITIGATIONS}
)

Byte = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
U64 = Annotated[int, msgspec.Meta(ge=0)]  # msgspec knows no larger bounds; encode() refuses
Bytes16 = Annotated[list[Byte], msgspec.Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[list[Byte], msgspec.Meta(min_length=32, max_length=32)]
Bytes48 = Annotated[list[Byte], msgspec.Meta(min_length=48, max_length=48)]
Bytes64 = Annotated[list[Byte], msgspec.Meta(min_length=64, max_length=64)]
Bytes72 = Annotated[list[Byte], msgspec.Meta(min_length=72, max_length=72)]
Der = Annotated[list[Byte], msgspec.Meta(max_length=1 << 20)]

CertificateKind = Literal["ARK", "ASK", "VCEK", "VLEK", "CRL", "Empty"]


class SignatureJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both numbers, little-endian."""

    r: Bytes72
    s: Bytes72


class ReportJson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The report's fields; see ``Report``."""

    version: U32
    guest_svn: U32
    policy: U64
    family_id: Bytes16
    image_id: Bytes16
    vmpl: U32
    sig_algo: U32
    current_tcb: Tcb
    plat_info: U64
    key_info: U32
    report_data: Bytes64
    measurement: Bytes48
    host_data: Bytes32
    id_key_digest: Bytes48
    author_key_digest: Bytes48
    report_id: Bytes32
    report_id_ma: Bytes32
    reported_tcb: Tcb
    cpuid_fam_id: Byte | None = None
    cpuid_mod_id: Byte | None = None
    cpuid_step: Byte | None = None
    chip_id: Bytes64
    committed_tcb: Tcb
    current: Release
    committed: Release
    launch_tcb: Tcb
    launch_mit_vector: U64 | None = None
    current_mit_vector: U64 | None = None
    signature: SignatureJson

    @classmethod
    def of(cls, report: Report) -> Self:
        """Write a report."""
        fields = {name: getattr(report, name) for name in report.__struct_fields__}
        r, s = fields.pop("signature_r"), fields.pop("signature_s")
        lists = {name: list(fields[name]) for name in _BYTES}
        return cls(**(fields | lists), signature=SignatureJson(list(r), list(s)))

    def report(self) -> Report:
        """Read the report.

        Raises:
            PeerError: another version or processor, or members that its version does not have.
        """
        version = require_version(self.version)
        fields: dict[str, Any] = {
            name: getattr(self, name) for name in self.__struct_fields__ if name != "signature"
        }
        for name, since in _SINCE:
            if (fields[name] is None) is (version >= since):
                raise PeerError(
                    name,
                    got=fields[name],
                    want=f"a number from version {since} on, null before",
                    spec=_SPEC,
                )
        for name in _BYTES:
            fields[name] = bytes(fields[name])
        report = Report(
            **fields,
            signature_r=bytes(self.signature.r),
            signature_s=bytes(self.signature.s),
        )
        report.encode()  # all parts fit
        return report


class OtherKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    """A piece of a certificate table that has no name of its own."""

    other: Annotated[str, msgspec.Meta(max_length=36)]
    """The GUID."""


class CertificateEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece that the host passed on with the report."""

    cert_type: CertificateKind | OtherKind
    data: Der


class SnpEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evidence object. ``cert_chain`` null: the verifier has to find the certificates."""

    attestation_report: ReportJson
    cert_chain: list[CertificateEntry] | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read JSON.

        Raises:
            PeerError: not JSON, or not this shape.
        """
        return parse_json(raw, cls, TEE)

    def encode(self) -> bytes:
        """Write JSON."""
        return msgspec.json.encode(self)


class Presented(msgspec.Struct, frozen=True):
    """Evidence as it came, in either form."""

    form: ReportJson | bytes
    """JSON, or the 1184 bytes."""
    pieces: tuple[CertificateEntry, ...] | None
    """None: no certificates came."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Tell the wire's JSON from a bare report, by content.

        Raises:
            PeerError: it is neither.
        """
        if len(raw) == SIZE and raw[:1] != b"{":
            return cls(raw, None)
        evidence = SnpEvidence.parse(raw)
        chain = evidence.cert_chain
        return cls(evidence.attestation_report, None if chain is None else tuple(chain))

    @property
    def version(self) -> int:
        """Version of the report, which may be one that cannot be read."""
        form = self.form
        return int.from_bytes(form[:4], "little") if isinstance(form, bytes) else form.version

    def report(self) -> Report:
        """Read the report.

        Raises:
            PeerError: it is none.
        """
        form = self.form
        return Report.parse(form) if isinstance(form, bytes) else form.report()

    def certificates(self) -> tuple[Certificate, ...] | None:
        """Read the certificates that came; None when the evidence leaves finding them to us.

        Raises:
            PeerError: one is none, or is of another kind of key than it is said to be.
        """
        if self.pieces is None:
            return None
        found = []
        for piece in self.pieces:
            if piece.cert_type not in _CERTIFICATES:
                continue
            one = Certificate.parse(bytes(piece.data))
            if (SUBJECTS.get(one.common_name, piece.cert_type)) != piece.cert_type:
                raise PeerError(
                    f"cert_chain, {piece.cert_type}", got=one.common_name, want="its own kind"
                )
            found.append(one)
        return tuple(found)

    def lists(self) -> tuple[RevocationList, ...]:
        """Read the revocation lists that came; PeerError when one is none."""
        return tuple(
            RevocationList.parse(bytes(piece.data))
            for piece in self.pieces or ()
            if piece.cert_type == "CRL"
        )
