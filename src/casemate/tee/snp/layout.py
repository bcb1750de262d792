"""SNP evidence as a person reads it: the report by the table that parses it, and certificates."""

import struct
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from casemate.crypto.certificate import Certificate
from casemate.crypto.der import Element
from casemate.errors import PeerError
from casemate.tee.layout import Field, Section
from casemate.tee.snp import bits, vek
from casemate.tee.snp.evidence import CertificateEntry
from casemate.tee.snp.presented import Presented
from casemate.tee.snp.product import TcbLayout
from casemate.tee.snp.report import LAYOUT, RELEASES, TCBS, Part, tcb_layout
from casemate.tee.snp.tcb import part_at

_SIGNING_KEYS: Final = MappingProxyType({0: "VCEK", 1: "VLEK", 7: "none"})
_MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "version": "of the report's form; 3 names the processor, 5 has mitigation vectors",
        "guest_svn": "security version of the guest, as its owner numbered it",
        "policy": "what the guest's owner lets the host do",
        "family_id": "of the guest, as its owner named it",
        "image_id": "of the guest, as its owner named it",
        "vmpl": "privilege level that asked for the report, 0 the highest",
        "sig_algo": "1: ECDSA P-384 with SHA-384",
        "current_tcb": "patch levels that run",
        "plat_info": "what the platform does",
        "key_info": "who signed",
        "report_data": "what the guest bound the report to: nonce and key of a session",
        "measurement": "SHA-384 launch digest: memory and processor state at the start",
        "host_data": "what the host was told to bind: digest of the initdata",
        "id_key_digest": "SHA-384 of the key that signed the guest's identity block",
        "author_key_digest": "SHA-384 of the key that certified that key",
        "report_id": "of this guest, since it was launched",
        "report_id_ma": "of its migration agent; all ones without one",
        "reported_tcb": "patch levels that the endorsement key was derived for",
        "cpuid_fam_id": "family of the processor, base and extended",
        "cpuid_mod_id": "model of the processor, base and extended",
        "cpuid_step": "stepping of the processor",
        "chip_id": "of the processor; zeros where the host hides it",
        "committed_tcb": "patch levels below which the platform cannot go back",
        "current": "firmware that runs",
        "committed": "firmware below which the platform cannot go back",
        "launch_tcb": "patch levels when the guest was launched",
        "launch_mit_vector": "mitigations that were in place at launch, a bit each",
        "current_mit_vector": "mitigations that are in place, a bit each",
        "signature_r": "of the signature, little-endian, 48 bytes count",
        "signature_s": "of the signature, little-endian, 48 bytes count",
    }
)
_EXTENSIONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        vek.STRUCT_VERSION: ("struct version", "of these extensions"),
        vek.PRODUCT_NAME: ("product name", "product line and stepping"),
        vek.BOOTLOADER: ("bootloader", "patch level"),
        vek.TEE_LEVEL: ("tee", "patch level"),
        vek.SNP_LEVEL: ("snp", "patch level"),
        vek.MICROCODE: ("microcode", "patch level"),
        vek.FMC: ("fmc", "patch level"),
        vek.HW_ID: ("hardware id", "the chip that the key is of"),
        vek.CSP_ID: ("CSP id", "whose fleet the key is lent to"),
        **{f"{vek.ARC}3.{n}": (f"spl{n}", "reserved patch level") for n in (4, 5, 6, 7)},
    }
)


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it: offsets are those of the binary report, for JSON too.

    Raises:
        PeerError: neither form can be read.
    """
    presented = Presented.parse(raw)
    form = presented.form
    body = form if isinstance(form, bytes) else presented.report()[1]
    pieces = presented.pieces or ()
    return (Section("attestation report", tuple(_report(body))), *map(_piece, pieces))


def _report(body: bytes) -> Iterator[Field]:
    values = {part: struct.unpack_from("<" + part.form, body, part.offset)[0] for part in LAYOUT}
    by_name = {part.name: value for part, value in values.items()}
    order = _order(by_name)
    for part, value in values.items():
        yield Field(
            name=part.name or "reserved",
            value=_shown(part, value),
            meaning=_meaning(part, by_name["version"]),
            offset=part.offset,
            size=part.size,
        )
        yield from _inside(part, value, order)


def _order(values: Mapping[str, Any]) -> TcbLayout | None:
    """Give the order of TCB words; None for a processor that nobody knows."""
    named = ("version", "cpuid_fam_id", "cpuid_mod_id", "chip_id")
    try:
        return tcb_layout(*(values[name] for name in named))
    except PeerError:
        return None  # they are shown whole


def _shown(part: Part, value: Any) -> str:
    if part.name in RELEASES:
        return f"{value[2]}.{value[1]}.{value[0]}"
    if isinstance(value, bytes):
        return value.hex()
    return f"{value:#x}" if part.size == 8 or part.name == "key_info" else str(value)


def _meaning(part: Part, version: int) -> str:
    if not part.name:
        return "must be zero"
    if version < part.since:
        return f"reserved before version {part.since}: must be zero"
    return _MEANINGS[part.name]


def _inside(part: Part, value: Any, order: TcbLayout | None) -> Iterator[Field]:
    """Give the parts of a word that has any."""
    if part.name in TCBS and order:
        for index, level in enumerate(value):
            yield Field(
                name=f"{part.name}.{part_at(order, index) or 'reserved'}",
                value=str(level),
                meaning="patch level" if part_at(order, index) else "must be zero",
                offset=part.offset + index,
                size=1,
            )
    if inner := _INSIDE.get(part.name):
        yield from inner(value)


def _policy(value: int) -> Iterator[Field]:
    major, minor = bits.abi(value)
    yield Field(name="policy.abi", value=f"{major}.{minor}", meaning="bits 15:0: least ABI version")
    yield _bit("policy", "reserved", bits.MUST_BE_ONE, value, "must be one")
    for bit, (name, meaning) in bits.POLICY.items():
        yield _bit("policy", name, bit, value, meaning)


def _platform(value: int) -> Iterator[Field]:
    for bit, (name, meaning) in bits.PLATFORM.items():
        yield _bit("plat_info", name, bit, value, meaning)


def _key_info(value: int) -> Iterator[Field]:
    yield _bit("key_info", "author_key", bits.AUTHOR_KEY, value, "an author key is present")
    yield _bit("key_info", "mask_chip_key", bits.CHIP_KEY_MASK, value, "the chip key signs nothing")
    selector = bits.signing_key(value)
    yield Field(
        name="key_info.signing_key",
        value=_SIGNING_KEYS.get(selector, str(selector)),
        meaning="bits 4:2: kind of key that signed",
    )


def _bit(part: str, name: str, bit: int, value: int, meaning: str) -> Field:
    return Field(
        name=f"{part}.{name}", value=str(value >> bit & 1), meaning=f"bit {bit}: {meaning}"
    )


_INSIDE: Final[Mapping[str, Callable[[int], Iterator[Field]]]] = MappingProxyType(
    {"policy": _policy, "plat_info": _platform, "key_info": _key_info}
)


def _piece(piece: CertificateEntry) -> Section:
    kind = piece.cert_type
    return certificate_section(
        f"cert_chain, {kind if isinstance(kind, str) else kind.other}", piece.der()
    )


def certificate_section(title: str, body: bytes) -> Section:
    """Draw a certificate (DER), of an endorsement key or of an authority."""
    try:
        return Section(title, tuple(_certificate(Certificate.parse(body))))
    except PeerError as error:
        return Section(title, (Field(name="unreadable", value=error.got, meaning=str(error)),))


def _certificate(certificate: Certificate) -> Iterator[Field]:
    yield Field(name="subject", value=certificate.common_name, meaning="common name")
    yield Field(name="issuer", value=certificate.issuer_common_name, meaning="who signed it")
    yield Field(name="serial", value=str(certificate.serial), meaning="0 is normal for a VCEK")
    yield Field(name="not before", value=certificate.not_before.isoformat())
    yield Field(name="not after", value=certificate.not_after.isoformat())
    yield Field(name="SHA-256", value=certificate.fingerprint.hex(), meaning="what a pin compares")
    for oid, extension in certificate.extensions.items():
        name, meaning = _EXTENSIONS.get(oid, (oid, "critical" if extension.critical else ""))
        yield Field(name=name, value=_extension(oid, extension.value), meaning=meaning)


def _extension(oid: str, value: bytes) -> str:
    """Show numbers and texts of AMD's extensions as such, and anything else in hex."""
    if oid not in _EXTENSIONS or oid == vek.HW_ID:
        return value.hex()
    where = "extension"
    element = Element.parse(value, where)
    if oid in {vek.PRODUCT_NAME, vek.CSP_ID}:
        return element.content.decode("ascii", "replace")
    return str(element.integer(where))
