"""Endorsement keys as AMD certifies them: VCEK (of a chip), VLEK (lent to a cloud); tee §3.4."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self

import msgspec

from casemate.crypto.certificate import Certificate, Extension
from casemate.crypto.der import Element, Tag
from casemate.crypto.keys import Kind, PublicKey
from casemate.errors import InputError, PeerError
from casemate.tee.snp.product import Product, by_name
from casemate.tee.snp.tcb import Tcb

ARC: Final = "1.3.6.1.4.1.3704.1."
STRUCT_VERSION: Final = ARC + "1"
PRODUCT_NAME: Final = ARC + "2"
BOOTLOADER: Final = ARC + "3.1"
TEE_LEVEL: Final = ARC + "3.2"
SNP_LEVEL: Final = ARC + "3.3"
MICROCODE: Final = ARC + "3.8"
FMC: Final = ARC + "3.9"
HW_ID: Final = ARC + "4"
CSP_ID: Final = ARC + "5"
OIDS: Final = frozenset(
    {STRUCT_VERSION, PRODUCT_NAME, HW_ID, CSP_ID, *(f"{ARC}3.{part}" for part in range(1, 10))}
)
"""Every extension of AMD's arc; ours to understand, should one be critical."""

_SPEC: Final = "tee §3.4"
_HW_ID_SIZES: Final = frozenset({8, 64})


class KeyKind(StrEnum):
    """Which key signs reports."""

    VCEK = "VCEK"
    """Versioned chip endorsement key: derived of one chip's secret and its TCB."""
    VLEK = "VLEK"
    """Versioned loaded endorsement key: of a cloud's whole fleet, at one TCB."""


SUBJECTS: Final = {"SEV-VCEK": KeyKind.VCEK, "SEV-VLEK": KeyKind.VLEK}
"""Common name → kind."""


class EndorsementKey(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of an endorsement key, read; nothing vouches for it yet."""

    certificate: Certificate
    kind: KeyKind
    key: PublicKey
    """P-384."""
    product_name: str
    """With the stepping, where AMD says it: ``Milan-B0``."""
    product: Product
    tcb: Tcb
    hw_id: bytes | None
    """Of a VCEK: the chip it is of, 64 bytes (Turin and later: 8)."""
    csp_id: str | None
    """Of a VLEK: whose fleet it is lent to."""

    @classmethod
    def parse(cls, certificate: Certificate) -> Self:
        """Read a certificate's subject, key and extensions.

        Raises:
            PeerError: it is of no endorsement key, or lacks what AMD writes into each.
        """
        kind = SUBJECTS.get(certificate.common_name)
        if kind is None:
            raise PeerError(
                "endorsement key",
                got=f"subject {certificate.common_name}",
                want=" or ".join(SUBJECTS),
                spec=_SPEC,
            )
        extensions = certificate.extensions
        name = _text(extensions, PRODUCT_NAME, "product name")
        product = by_name(name)
        if product is None:
            raise PeerError("product name", got=name, want="a known product line", spec=_SPEC)
        return cls(
            certificate=certificate,
            kind=kind,
            key=_p384(certificate),
            product_name=name,
            product=product,
            tcb=Tcb(
                fmc=_level(extensions, FMC) if FMC in extensions else None,
                bootloader=_level(extensions, BOOTLOADER),
                tee=_level(extensions, TEE_LEVEL),
                snp=_level(extensions, SNP_LEVEL),
                microcode=_level(extensions, MICROCODE),
            ),
            hw_id=_hw_id(extensions) if kind is KeyKind.VCEK else None,
            csp_id=_text(extensions, CSP_ID, "CSP id") if kind is KeyKind.VLEK else None,
        )

    @property
    def authority_name(self) -> str:
        """Common name of the authority that certifies keys of this kind and product."""
        return authority_name(self.kind, self.product)


def authority_name(kind: KeyKind, product: Product) -> str:
    """Name the ASK (of VCEKs) or ASVK (of VLEKs) of a product line."""
    return f"SEV-{product.name}" if kind is KeyKind.VCEK else f"SEV-VLEK-{product.name}"


def root_name(product: Product) -> str:
    """Name the ARK of a product line."""
    return f"ARK-{product.name}"


def _value(extensions: Mapping[str, Extension], oid: str, where: str) -> bytes:
    found = extensions.get(oid)
    if found is None:
        raise PeerError(where, got="no extension", want=oid, spec=_SPEC)
    return found.value


def _level(extensions: Mapping[str, Extension], oid: str) -> int:
    value = _value(extensions, oid, "patch level")
    level = Element.parse(value, "patch level").integer("patch level")
    if not 0 <= level <= 0xFF:
        raise PeerError("patch level", got=level, want="0 to 255", spec=_SPEC)
    return level


def _text(extensions: Mapping[str, Extension], oid: str, where: str) -> str:
    element = Element.parse(_value(extensions, oid, where), where).expect(Tag.IA5_STRING, where)
    try:
        return element.content.decode("ascii")
    except UnicodeDecodeError as error:
        raise PeerError(where, got=element.content, want="ASCII", spec=_SPEC) from error


def _hw_id(extensions: Mapping[str, Extension]) -> bytes:
    """Read it as newer certificates (OCTET STRING) or older ones (bare bytes) hold it."""
    value = _value(extensions, HW_ID, "hardware id")
    if len(value) not in _HW_ID_SIZES:
        value = Element.parse(value, "hardware id").expect(Tag.OCTET_STRING, "hardware id").content
    if len(value) not in _HW_ID_SIZES:
        raise PeerError("hardware id", got=f"{len(value)} bytes", want="8 or 64", spec=_SPEC)
    return value


def _p384(certificate: Certificate) -> PublicKey:
    where = f"key of {certificate.common_name}"
    try:
        key = PublicKey.from_der(certificate.spki)
    except InputError as error:
        raise PeerError(where, got=error.got, want="P-384", spec=_SPEC) from error
    if key.kind is not Kind.P384:
        raise PeerError(where, got=key.kind, want="P-384", spec=_SPEC)
    return key
