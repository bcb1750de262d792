"""Authorities and endorsement keys that AMD never made, wrong in any one thing asked for."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from casemate.crypto import der_encoding as der
from casemate.crypto import simulated
from casemate.crypto.der import Tag
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.simulated import Extension, Period
from casemate.errors import InputError
from casemate.tee.simulation import Changes
from casemate.tee.snp import vek
from casemate.tee.snp.product import Product
from casemate.tee.snp.tcb import Tcb
from casemate.tee.snp.vek import KeyKind

_T = TypeVar("_T")

FIELDS: Final = MappingProxyType(
    {
        "authority_keys": "P-384, or RSA of 4096 bits as AMD's (slow to make)",
        "expired": "vek, authority, root or list: ended before the time of the simulation",
        "not_yet": "vek, authority, root or list: begins after it",
        "self_made": "vek, authority or root: the same names, another signer",
        "no_authority": "authority or root: lacks the right to sign certificates",
        "other_authority": "true: the authority of the other kind of key signs",
        "other_root_name": "true: the root is called otherwise",
        "revoked": "authority (on the root's list) or vek (on the authority's)",
        "list": "valid (the default), none, or other: signed by another key",
        "vek_key": "P-384, P-256 or RSA",
        "vek_subject": "text; common name",
        "vek_product": "text; product name such as Milan-B0",
        "vek_product_form": "false: the product name is no IA5String",
        "vek_tcb": "hex of 8 bytes, in the product's order",
        "vek_level": "number; patch level of the microcode, right or wrong as a number",
        "vek_hw_id": "hex; id of the chip",
        "vek_hw_id_form": "bare (older certificates) or octets",
        "vek_without": "number after 1.3.6.1.4.1.3704.1. of an extension to leave out",
        "vek_critical": "true: an extension that nobody knows, critical",
        "vek_fmc": "false: no patch level of the FMC, though it is Turin's or later",
    }
)
ROOT_SERIAL: Final = 65536
_PARTS: Final = (
    (vek.BOOTLOADER, "bootloader"),
    (vek.TEE_LEVEL, "tee"),
    (vek.SNP_LEVEL, "snp"),
    (vek.MICROCODE, "microcode"),
    (vek.FMC, "fmc"),
)
_KEYS: Final[Mapping[str, Kind]] = MappingProxyType(
    {"P-384": Kind.P384, "P-256": Kind.P256, "RSA": Kind.RSA}
)
_YEARS: Final = MappingProxyType({KeyKind.VCEK: 7, KeyKind.VLEK: 1})
_DAY: Final = timedelta(days=1)
_YEAR: Final = timedelta(days=365)
_CA_BITS: Final = 4096
_UNKNOWN: Final = Extension("1.3.6.1.4.1.3704.99", der.integer(1), critical=True)


class FakeChain(msgspec.Struct, frozen=True, kw_only=True):
    """All that AMD would publish about one chip, and the chip's key."""

    key: PrivateKey
    """Of the chip; what signs reports."""
    vek: bytes
    authority: bytes
    root: bytes
    """Certificates, DER."""
    lists: tuple[bytes, ...]
    """Revocation lists, DER."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What the certificate of an endorsement key speaks of."""

    kind: KeyKind
    product: Product
    tcb: Tcb
    hw_id: bytes


def mint(changes: Changes, subject: Subject, now: datetime) -> FakeChain:
    """Make root, authority, endorsement key and list, with what ``changes`` asks for.

    Raises:
        InputError: a value cannot be meant.
    """
    return _Mint(changes, now.replace(microsecond=0)).chain(subject)


class _Mint:
    def __init__(self, changes: Changes, now: datetime) -> None:
        self._changes = changes
        self._now = now

    def chain(self, subject: Subject) -> FakeChain:
        kind, product = subject.kind, subject.product
        root_key, authority_key = self._authority_key(), self._authority_key()
        chip_key = PrivateKey.generate(self._choice("vek_key", _KEYS, "P-384"))
        signs_for = kind
        if self._changes.flag("other_authority"):
            signs_for = KeyKind.VLEK if kind is KeyKind.VCEK else KeyKind.VCEK
        root_name = simulated.name(
            "ARK-Other" if self._changes.flag("other_root_name") else vek.root_name(product)
        )
        authority_name = simulated.name(vek.authority_name(signs_for, product))
        serial = ROOT_SERIAL + (1 if signs_for is KeyKind.VCEK else 257)
        vek_serial = 0 if kind is KeyKind.VCEK else 4711
        return FakeChain(
            key=chip_key,
            root=simulated.certificate(
                subject=root_name,
                spki=root_key.public.der(),
                issuer=root_name,
                signer=self._signer("root", root_key),
                period=self._period("root", 25),
                serial=ROOT_SERIAL,
                extensions=self._rights("root", None),
            ),
            authority=simulated.certificate(
                subject=authority_name,
                spki=authority_key.public.der(),
                issuer=root_name,
                signer=self._signer("authority", root_key),
                period=self._period("authority", 25),
                serial=serial,
                extensions=self._rights("authority", 0),
            ),
            vek=simulated.certificate(
                subject=simulated.name(self._changes.text("vek_subject", f"SEV-{kind}")),
                spki=chip_key.public.der(),
                issuer=authority_name,
                signer=self._signer("vek", authority_key),
                period=self._period("vek", _YEARS[kind]),
                serial=vek_serial,
                extensions=self._extensions(subject),
            ),
            lists=(
                *self._list(root_name, root_key, "authority", serial),
                *self._list(authority_name, authority_key, "vek", vek_serial),
            ),
        )

    def _authority_key(self) -> PrivateKey:
        kind = self._choice("authority_keys", {"P-384": Kind.P384, "RSA": Kind.RSA}, "P-384")
        return PrivateKey.generate(kind, bits=_CA_BITS)

    def _signer(self, who: str, right: PrivateKey) -> PrivateKey:
        wrong = self._changes.text("self_made", "") == who
        return PrivateKey.generate(Kind.P384) if wrong else right

    def _period(self, who: str, years: int) -> Period:
        begin, end = self._now - _YEAR, self._now + years * _YEAR
        if self._changes.text("expired", "") == who:
            end = self._now - _DAY
        if self._changes.text("not_yet", "") == who:
            begin = self._now + _DAY
        return Period(begin, end)

    def _rights(self, who: str, path_length: int | None) -> tuple[Extension, ...]:
        if self._changes.text("no_authority", "") == who:
            return ()
        return simulated.authority(path_length)

    def _extensions(self, subject: Subject) -> tuple[Extension, ...]:
        changes, product = self._changes, subject.product
        tcb = subject.tcb
        if word := changes.data("vek_tcb", b""):
            tcb = Tcb.parse(word, product.layout, "vek_tcb")
        levels = tcb.parts
        levels["microcode"] = changes.number("vek_level", levels["microcode"])
        if not changes.flag("vek_fmc", default=True):
            levels.pop("fmc", None)
        name = changes.text("vek_product", product.name).encode()
        tag = Tag.IA5_STRING if changes.flag("vek_product_form", default=True) else Tag.OCTET_STRING
        found = [
            Extension(vek.STRUCT_VERSION, der.integer(0)),
            Extension(vek.PRODUCT_NAME, der.element(tag, name)),
            *(Extension(oid, der.integer(levels[part])) for oid, part in _PARTS if part in levels),
        ]
        if subject.kind is KeyKind.VCEK:
            chip = changes.data("vek_hw_id", subject.hw_id)
            forms = {"bare": chip, "octets": der.octets(chip)}
            found.append(Extension(vek.HW_ID, self._choice("vek_hw_id_form", forms, "bare")))
        else:
            csp = der.element(Tag.IA5_STRING, b"CN=cloud.example")
            found.append(Extension(vek.CSP_ID, csp))
        if changes.flag("vek_critical"):
            found.append(_UNKNOWN)
        left_out = vek.ARC + changes.text("vek_without", "")
        return tuple(one for one in found if one.oid != left_out)

    def _list(self, issuer: bytes, key: PrivateKey, below: str, serial: int) -> tuple[bytes, ...]:
        """Make an issuer's list; an authority has one only if it revoked a key of chips."""
        wanted = self._changes.text("list", "valid")
        revoked = self._changes.text("revoked", "") == below
        if wanted == "none" or (below == "vek" and not revoked):
            return ()
        made = simulated.revocation_list(
            issuer=issuer,
            signer=PrivateKey.generate(Kind.P384) if wanted == "other" else key,
            period=self._period("list", 1),
            revoked=[serial] if revoked else [],
        )
        return (made,)

    def _choice(self, field: str, choices: Mapping[str, _T], default: str) -> _T:
        text = self._changes.text(field, default)
        if text not in choices:
            raise InputError(field, got=text, want=", ".join(choices))
        return choices[text]
