"""Evidence on the wire (tee §3.1): the report as numbers and lists of bytes, and certificates.

A report in JSON is re-encoded to the 1184 bytes that were signed, so nothing that JSON cannot say
takes part in the verdict.
"""

from operator import attrgetter
from typing import Annotated, Final, Literal, Self

import msgspec

from casemate.errors import MALFORMED_JSON, PeerError
from casemate.tee.evidence_json import parse_json
from casemate.tee.snp.report import (
    FIELDS,
    OLDEST_WITH_MITIGATIONS,
    OLDEST_WITH_MODEL,
    TEE,
    Release,
    Report,
    pack,
    require_version,
)
from casemate.tee.snp.tcb import Tcb

_SPEC: Final = "tee §3.1"
_MOST_PIECES: Final = 16
"""Of a certificate table. A machine has five; each costs up to a signature."""
_SIGNATURE: Final = {"signature_r": "signature.r", "signature_s": "signature.s"}
_NAMES: Final = tuple(_SIGNATURE.get(part.name, part.name) for part in FIELDS)
_AT_LISTS: Final = tuple(
    (n, _NAMES[n]) for n, part in enumerate(FIELDS) if part.form.endswith("s") and part.size >= 16
)
_VALUES: Final = attrgetter(*_NAMES)
_SINCE: Final = tuple(
    (part.name, part.since)
    for part in FIELDS
    if part.since in {OLDEST_WITH_MODEL, OLDEST_WITH_MITIGATIONS}
)

# What each list holds is looked at where it becomes bytes: half the time of a constraint for each.
Byte = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
U64 = Annotated[int, msgspec.Meta(ge=0)]  # msgspec knows no larger bounds; encode() refuses
Bytes16 = Annotated[list[int], msgspec.Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[list[int], msgspec.Meta(min_length=32, max_length=32)]
Bytes48 = Annotated[list[int], msgspec.Meta(min_length=48, max_length=48)]
Bytes64 = Annotated[list[int], msgspec.Meta(min_length=64, max_length=64)]
Bytes72 = Annotated[list[int], msgspec.Meta(min_length=72, max_length=72)]

_NUMBERS: Final = msgspec.json.Decoder(list[int])
CertificateKind = Literal["ARK", "ASK", "VCEK", "VLEK", "CRL", "Empty"]


def octets(numbers: list[int], where: str) -> bytes:
    """Give the bytes of a list.

    Raises:
        PeerError: a number is none.
    """
    try:
        return bytes(bytearray(numbers))  # faster than bytes of a list
    except ValueError as error:
        raise PeerError(where, got=error, want="numbers of 0 to 255", spec=_SPEC) from error


def read_list(text: bytes) -> bytes:
    """Read the JSON text of a list of bytes.

    Raises:
        PeerError: it is none.
    """
    try:
        return octets(_NUMBERS.decode(text), "cert_chain")
    except MALFORMED_JSON as error:
        raise PeerError("cert_chain", got=error, want="a list of bytes", spec=_SPEC) from error


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
        lists = {name: list(fields[name]) for _, name in _AT_LISTS if name in fields}
        return cls(**(fields | lists), signature=SignatureJson(list(r), list(s)))

    def encode(self) -> bytes:
        """Write the 1184 bytes that it stands for.

        Raises:
            PeerError: a version that cannot be read, members that its version does not have, or
                values that do not fit.
        """
        version = require_version(self.version)
        for name, since in _SINCE:
            value = getattr(self, name)
            if (value is None) is (version >= since):
                raise PeerError(
                    name,
                    got=value,
                    want=f"a number from version {since} on, null before",
                    spec=_SPEC,
                )
        values = [*_VALUES(self)]
        for index, name in _AT_LISTS:
            values[index] = octets(values[index], name)
        return pack(values)


class OtherKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    """A piece of a certificate table that has no name of its own."""

    other: Annotated[str, msgspec.Meta(max_length=36)]
    """The GUID."""


class CertificateEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece that the host passed on with the report."""

    cert_type: CertificateKind | OtherKind
    data: msgspec.Raw
    """The list of bytes as it stands; read when somebody needs it."""

    @classmethod
    def of(cls, cert_type: CertificateKind | OtherKind, der: bytes) -> Self:
        """Write a piece."""
        return cls(cert_type, msgspec.Raw(msgspec.json.encode(list(der))))

    def der(self) -> bytes:
        """Read the list; PeerError when it is no list of bytes."""
        return read_list(bytes(self.data))


CertificateTable = Annotated[list[CertificateEntry], msgspec.Meta(max_length=_MOST_PIECES)]


class SnpEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evidence object. ``cert_chain`` null: the verifier has to find the certificates."""

    attestation_report: ReportJson
    cert_chain: CertificateTable | None = None

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
