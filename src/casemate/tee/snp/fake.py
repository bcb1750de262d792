"""SNP evidence of chips that do not exist: every version and product line, any field wrong.

Reports are signed by a key that a fresh test root certifies; without that root among the anchors
nobody accepts them.
"""

import struct
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.crypto import pem
from casemate.crypto.digest import Algorithm, Digest
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError
from casemate.tee.evidence import fitted
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated
from casemate.tee.snp import collateral, fake_chain
from casemate.tee.snp.evidence import ReportJson, SignatureJson
from casemate.tee.snp.fake_chain import FakeChain, Subject
from casemate.tee.snp.product import PRODUCTS, TURIN, Product, TcbLayout, by_name
from casemate.tee.snp.report import (
    LAYOUT,
    OLDEST_WITH_MITIGATIONS,
    OLDEST_WITH_MODEL,
    RELEASES,
    SIGNED_SIZE,
    SIZE,
    TCBS,
    TEE,
    Part,
    Release,
)
from casemate.tee.snp.tcb import Tcb, part_at
from casemate.tee.snp.vek import KeyKind

_COORDINATE: Final = 72
_SMT_AND_RESERVED: Final = 0x30000
_FIRMWARE: Final = bytes((8, 55, 1, 0))
_MODELS: Final = MappingProxyType({"Milan": 0x01, "Genoa": 0x11, "Turin": 0x02, "Venice": 0x50})
_CHIP: Final = bytes(range(1, 65))
_TCB: Final = MappingProxyType({"fmc": 1, "bootloader": 4, "tee": 0, "snp": 24, "microcode": 219})
_DIGESTS: Final = {32: Algorithm.SHA256, 48: Algorithm.SHA384, 64: Algorithm.SHA512}


def _reserved(part: Part) -> str:
    return f"reserved_{part.offset:03x}"


def _name(part: Part) -> str:
    """Name the field that sets a part, as it is signed, whatever it should be bound to."""
    names = {"report_data": "signed_report_data", "": _reserved(part)}
    return names.get(part.name, part.name)


FIELDS: Final = MappingProxyType(
    dict(COMMON)
    | {
        "product": f"{', '.join(product.name for product in PRODUCTS)}",
        "key": "VCEK or VLEK; what signs",
        "carried": "vek (the default), all, list (all, and the root's list) or none: cert_chain",
        "missing": "vek, authority, root or list: neither carried nor published",
        "other_key": "true: a key that nobody certified signs",
        "carried_kind": "text; cert_type of the endorsement key",
    }
    | dict(fake_chain.FIELDS)
    | {
        _name(
            part
        ): f"{'hex of ' + str(part.size) + ' bytes' if part.form.endswith('s') else 'number'}"
        f"; the report's field at {part.offset:#05x}"
        for part in LAYOUT
    }
)


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make SNP evidence.

    Raises:
        InputError: a value cannot be meant.
    """
    product = _product(changes)
    kind = _kind(changes)
    report_data = changes.data("report_data", REPORT_DATA)
    init_data = _init_data(changes)
    fields = _fields(product, kind, report_data, init_data)
    version = changes.number("version", OLDEST_WITH_MITIGATIONS)
    subject = Subject(
        kind=kind,
        product=product,
        tcb=Tcb.parse(fields["reported_tcb"], product.layout, "reported_tcb"),
        hw_id=fields["chip_id"][: product.hw_id_size] or _CHIP,
    )
    chain = fake_chain.mint(changes, subject, now)
    raw = _signed(changes, _report(changes, fields, version), chain.key)
    return Simulated(
        tee=TEE,
        evidence=_evidence(changes, raw, product, kind, chain),
        binary=raw,
        report_data=report_data,
        init_data=init_data,
        now=now,
        roots=_published(changes, {"root": ("ark.der", chain.root)}),
        collateral=_collateral(changes, subject, chain),
        options=("snp.min_version=2",) if version < OLDEST_WITH_MODEL else (),
    )


def _product(changes: Changes) -> Product:
    name = changes.text("product", TURIN.name)
    found = by_name(name)
    if found is None:
        raise InputError("product", got=name, want=", ".join(one.name for one in PRODUCTS))
    return found


def _kind(changes: Changes) -> KeyKind:
    text = changes.text("key", KeyKind.VCEK)
    try:
        return KeyKind(text)
    except ValueError as error:
        raise InputError("key", got=text, want=", ".join(KeyKind)) from error


def _init_data(changes: Changes) -> Digest | None:
    value = changes.data("init_data", b"")
    if not value:
        return None
    if len(value) not in _DIGESTS:
        raise InputError("init_data", got=f"{len(value)} bytes", want="32, 48 or 64 bytes")
    return Digest(_DIGESTS[len(value)], value)


def _fields(
    product: Product, kind: KeyKind, report_data: bytes, init_data: Digest | None
) -> dict[str, Any]:
    """Give the fields of a report that everybody accepts; every other one is zero."""
    tcb = bytes(_TCB.get(part_at(product.layout, index) or "", 0) for index in range(8))
    chip = _CHIP[: product.hw_id_size] if kind is KeyKind.VCEK else b""
    return {
        **dict.fromkeys(TCBS, tcb),
        **dict.fromkeys(RELEASES, _FIRMWARE),
        "policy": _SMT_AND_RESERVED,
        "sig_algo": 1,
        "plat_info": 0x25,
        "key_info": 0 if kind is KeyKind.VCEK else 1 << 2,
        "report_data": fitted(report_data, 64),
        "measurement": bytes(range(48)),
        "host_data": fitted(init_data.value if init_data else b"", 32),
        "report_id_ma": b"\xff" * 32,
        "cpuid_fam_id": product.family,
        "cpuid_mod_id": _MODELS[product.name],
        "chip_id": chip.ljust(64, b"\0"),
        "launch_mit_vector": 1,
        "current_mit_vector": 3,
    }


def _report(changes: Changes, fields: Mapping[str, Any], version: int) -> bytearray:
    raw = bytearray(SIZE)
    given = {**fields, "version": version}
    for part in LAYOUT:
        if part.since > version:
            given.pop(part.name, None)
        blank: Any = bytes(part.size) if part.form.endswith("s") else 0
        value = _value(changes, part, given.get(part.name, blank))
        try:
            struct.pack_into("<" + part.form, raw, part.offset, value)
        except struct.error as error:
            raise InputError(_name(part), got=value, want=f"{part.size} bytes") from error
    return raw


def _value(changes: Changes, part: Part, default: Any) -> Any:
    if not part.form.endswith("s"):
        return changes.number(_name(part), default)
    value = changes.data(_name(part), default)
    if len(value) != part.size:
        raise InputError(_name(part), got=f"{len(value)} bytes", want=f"{part.size} bytes")
    return value


def _signed(changes: Changes, raw: bytearray, key: PrivateKey) -> bytes:
    signer = PrivateKey.generate(Kind.P384) if changes.flag("other_key") else key
    if signer.kind is Kind.P384:
        signature = signer.sign(bytes(raw[:SIGNED_SIZE]), "ES384")
        half = len(signature) // 2
        for at, number in ((0x2A0, signature[:half]), (0x2E8, signature[half:])):
            if not any(raw[at : at + _COORDINATE]):  # unless it was set
                raw[at : at + _COORDINATE] = number[::-1].ljust(_COORDINATE, b"\0")
    flip = changes.number("flip", -1)
    if flip >= SIGNED_SIZE:
        raise InputError("flip", got=flip, want=f"0 to {SIGNED_SIZE - 1}")
    if flip >= 0:
        raw[flip] ^= 1
    return bytes(raw)


def _evidence(
    changes: Changes, raw: bytes, product: Product, kind: KeyKind, chain: FakeChain
) -> bytes:
    carried = changes.text("carried", "vek")
    pieces: list[tuple[str, str, bytes]] = []
    if carried in {"vek", "all", "list"}:
        pieces.append(("vek", changes.text("carried_kind", kind), chain.vek))
    if carried in {"all", "list"}:
        pieces += [("authority", "ASK", chain.authority), ("root", "ARK", chain.root)]
    if carried == "list":
        pieces += [("list", "CRL", one) for one in chain.lists]
    missing = changes.text("missing", "")
    entries = [
        {"cert_type": name, "data": list(der)} for who, name, der in pieces if who != missing
    ]
    return msgspec.json.encode(
        {
            "attestation_report": _json(raw, product.layout),
            "cert_chain": None if carried == "none" else entries,
        }
    )


def _json(raw: bytes, layout: TcbLayout) -> ReportJson:
    """Write the JSON form of any 1184 bytes; what it cannot say is left out."""
    found: dict[str, Any] = {}
    version = int.from_bytes(raw[:4], "little")
    for part in LAYOUT:
        if not part.name:
            continue
        (value,) = struct.unpack_from("<" + part.form, raw, part.offset)
        if part.name in TCBS:
            levels = {part_at(layout, index): level for index, level in enumerate(value)}
            levels.pop(None, None)
            value = Tcb(**{name: level for name, level in levels.items() if name})
        elif part.name in RELEASES:
            value = Release(value[2], value[1], value[0])
        elif isinstance(value, bytes):
            value = list(value)
        found[part.name] = value if version >= part.since else None
    r, s = found.pop("signature_r"), found.pop("signature_s")
    return ReportJson(**found, signature=SignatureJson(r, s))


def _collateral(changes: Changes, subject: Subject, chain: FakeChain) -> Mapping[str, bytes]:
    kind, product = subject.kind.lower(), subject.product.name
    folder = f"amd/{kind}/{product}"
    chip = subject.hw_id.hex()
    authorities = {
        "authority": (f"{folder}/cert_chain.pem", pem.encode(chain.authority, "CERTIFICATE")),
        "vek": (f"{folder}/{chip}/{collateral.tcb_name(subject.tcb)}.der", chain.vek),
    }
    lists = {
        f"list{index}": (f"{folder}/crl{index or ''}.der", one)
        for index, one in enumerate(chain.lists)
    }
    return _published(changes, authorities | lists)


def _published(changes: Changes, files: Mapping[str, tuple[str, bytes]]) -> Mapping[str, bytes]:
    missing = changes.text("missing", "")
    return {
        name: body
        for who, (name, body) in files.items()
        if not missing or not who.startswith(missing)
    }
