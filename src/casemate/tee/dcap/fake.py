"""Quotes without hardware: a quoting enclave in software, with real keys and signatures."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.crypto import pem
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError
from casemate.tee.dcap import fake_collateral, fake_platform
from casemate.tee.dcap.bodies import SGX_REPORT, SgxReport, TdReport
from casemate.tee.dcap.fake_platform import FakePlatform, choice
from casemate.tee.dcap.fields import Record
from casemate.tee.dcap.quote import (
    CERTIFICATION,
    HEADER,
    INTEL_QE,
    PEM_CHAIN,
    QE_CERTIFICATION,
    U16,
    U32,
    TeeType,
    body_type_of,
)
from casemate.tee.simulation import Changes

FIELDS: Final = MappingProxyType(
    {
        "version": "number of the quote's version",
        "att_key_type": "number",
        "tee_type": "number; 0 SGX, 0x81 TDX",
        "header_reserved": "hex of 4 bytes; version 3: qe_svn and pce_svn",
        "vendor_id": "hex of 16 bytes",
        "user_data": "hex of 20 bytes",
        "body_type": "number; version 5 only",
        "body_size": "number; version 5 only",
        "auth_data": "hex; of the quoting enclave",
        "qe_certification": "number; certification data type around the QE report (6)",
        "certification": "number; certification data type of the chain (5)",
        "chain": "full, leaf, no_root, no_ca, twice (each certificate), reversed, shuffled, empty",
        "quote_signer": "own, or other: another key signs the quote",
        "qe_signer": "own, or other: another key signs the QE report",
        "flip_qe": "number of a byte of the QE report; its lowest bit is flipped after signing",
        "tail": "hex; bytes behind the quote",
        **{f"qe_{name}": f"hex; {name} of the QE report" for name in SGX_REPORT.names},
        **fake_platform.FIELDS,
        **fake_collateral.FIELDS,
    }
)
_AUTH_DATA: Final = bytes(range(32))
_QE_USER_DATA: Final = bytes(range(0x40, 0x54))
_VERSION_3: Final = 3
_VERSION_5: Final = 5


class Minted(msgspec.Struct, frozen=True):
    """A quote, and what a verifier needs to believe it."""

    quote: bytes
    collateral: dict[str, bytes]
    root: bytes
    """PEM."""


def fields_of(
    record: Record,
    changes: Changes,
    defaults: Mapping[str, bytes],
    fixed: Mapping[str, bytes],
) -> tuple[bytes, ...]:
    """Give a record's values: fixed ones, else as set, else the default, else zeros.

    Raises:
        InputError: one is not as long as its field.
    """
    values = []
    for part in record.parts:
        default = defaults.get(part.name, bytes(part.size))
        value = fixed.get(part.name) or changes.data(part.name, default)
        if len(value) != part.size:
            raise InputError(part.name, got=f"{len(value)} bytes", want=f"{part.size} bytes")
        values.append(value)
    return tuple(values)


def mint(changes: Changes, body: TdReport | SgxReport, version: int, now: datetime) -> Minted:
    """Quote a body, and publish what there is to know about the platform.

    Raises:
        InputError: a value cannot be meant.
    """
    tee = TeeType.TDX if isinstance(body, TdReport) else TeeType.SGX
    platform = fake_platform.mint(changes, now)
    collateral = fake_collateral.mint(changes, tee, platform, now)
    signed = _signed(changes, body, changes.number("version", version))
    attestation_key, other = PrivateKey.generate(Kind.P256), PrivateKey.generate(Kind.P256)
    signers = {"own": attestation_key, "other": other}
    signature = choice(changes, "quote_signer", signers, "own").sign(signed, "ES256")
    data = signature + _certified(changes, tee, platform, attestation_key)
    quote = _flipped(signed, changes, "flip") + U32.pack(len(data)) + data
    return Minted(
        quote + changes.data("tail", b""),
        fake_collateral.files(changes, collateral, tee),
        pem.encode(platform.root, "CERTIFICATE"),
    )


def _signed(changes: Changes, body: TdReport | SgxReport, version: int) -> bytes:
    """Write header and body."""
    tee = TeeType.TDX if isinstance(body, TdReport) else TeeType.SGX
    header = HEADER.pack(
        version,
        changes.number("att_key_type", 2),
        changes.number("tee_type", tee),
        changes.data("header_reserved", bytes(4)),
        changes.data("vendor_id", INTEL_QE),
        changes.data("user_data", _QE_USER_DATA),
    )
    raw = body.encode()
    if version < _VERSION_5:
        return header + raw
    kind = changes.number("body_type", body_type_of(body))
    size = changes.number("body_size", len(raw))
    return header + U16.pack(kind) + U32.pack(size) + raw


def _certified(
    changes: Changes, tee: TeeType, platform: FakePlatform, attestation_key: PrivateKey
) -> bytes:
    """Write the attestation key and how the quoting enclave and the platform vouch for it."""
    point = attestation_key.public.der()[-64:]
    auth_data = changes.data("auth_data", _AUTH_DATA)
    report = _qe_report(changes, tee, hashlib.sha256(point + auth_data).digest())
    other = PrivateKey.generate(Kind.P256)
    signers = {"own": platform.pck_key, "other": other}
    signer = choice(changes, "qe_signer", signers, "own")
    signature = signer.sign(report)[:64]
    version = changes.number("version", _VERSION_3 if tee is TeeType.SGX else _VERSION_5)
    chain = _chain(changes, platform) + (b"" if version == _VERSION_3 else b"\0")
    inner = b"".join(
        (
            _flipped(report, changes, "flip_qe"),
            signature,
            U16.pack(len(auth_data)),
            auth_data,
            CERTIFICATION.pack(changes.number("certification", PEM_CHAIN), len(chain)),
            chain,
        )
    )
    if version == _VERSION_3:
        return point + inner
    kind = changes.number("qe_certification", QE_CERTIFICATION)
    return point + CERTIFICATION.pack(kind, len(inner)) + inner


def _qe_report(changes: Changes, tee: TeeType, bound: bytes) -> bytes:
    defaults = {
        "attributes.flags": fake_collateral.QE_ATTRIBUTES[:8],
        "attributes.xfrm": b"\xe7".ljust(8, b"\0"),
        "mr_signer": fake_collateral.QE_SIGNER,
        "isv_prod_id": U16.pack(fake_collateral.QE_PRODUCTS[tee]),
        "isv_svn": U16.pack(fake_collateral.QE_SVN),
        "report_data": bound.ljust(64, b"\0"),
    }
    values = []
    for part in SGX_REPORT.parts:
        value = changes.data(f"qe_{part.name}", defaults.get(part.name, bytes(part.size)))
        if len(value) != part.size:
            raise InputError(f"qe_{part.name}", got=f"{len(value)} bytes", want=f"{part.size}")
        values.append(value)
    return b"".join(values)


def _chain(changes: Changes, platform: FakePlatform) -> bytes:
    leaf, authority, root = platform.pck, platform.authority, platform.root
    chains = {
        "full": (leaf, authority, root),
        "leaf": (leaf,),
        "no_root": (leaf, authority),
        "no_ca": (leaf, root),
        "twice": (leaf, authority, root) * 2,
        "reversed": (root, authority, leaf),
        "shuffled": (leaf, root, authority),
        "empty": (),
    }
    chosen = choice(changes, "chain", chains, "full")
    return b"".join(pem.encode(one, "CERTIFICATE") for one in chosen)


def _flipped(raw: bytes, changes: Changes, field: str) -> bytes:
    """Flip the lowest bit of a byte, if one is asked for."""
    at = changes.number(field, -1)
    if at == -1:
        return raw
    if not 0 <= at < len(raw):
        raise InputError(field, got=at, want=f"0 to {len(raw) - 1}")
    return raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
