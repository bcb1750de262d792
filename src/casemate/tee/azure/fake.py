"""The paravisor and its TPM in software: what both Azure simulators have in common.

Every field of the quote, of the paravisor's report and of the variable data can be set wrong before
it is signed or hashed, and each region can be flipped after. The hardware below is the TEE's own.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from casemate.crypto import base64url
from casemate.crypto.digest import Digest
from casemate.crypto.keys import Kind as KeyKind
from casemate.crypto.keys import PrivateKey
from casemate.errors import InputError
from casemate.tee.azure.evidence import NEWEST, Presented
from casemate.tee.azure.hcl import LAYOUT, HclReport, Kind, Part
from casemate.tee.azure.variable_data import AK_NAME, EK_NAME, USER_DATA_SIZE
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated
from casemate.tee.vtpm import quote_fields
from casemate.tee.vtpm.report import INIT_DATA_PCR, init_data_register
from casemate.wire.tpm import PCR_COUNT

_AK_BITS: Final = 2048
_AKS: Final = ("none", "twice", "elliptic", "short", "another_name")
_HEADS: Final = tuple(part for part in LAYOUT if part.name != "hardware_report")
FIELDS: Final = MappingProxyType(
    {
        **COMMON,
        **quote_fields.FIELDS,
        "version": "0, 1 or 2; of the evidence",
        "ak": f"{', '.join(_AKS)}; which key the variable data names",
        "user_data": "hex, or absent; what the paravisor's report binds of the guest",
        "variable_data": "text; all of it, hashed as it is",
        "binding": "hex of 64 bytes; report data of the hardware report",
        "flip_variable_data": "number of a byte; its lowest bit is flipped after hashing",
        "flip_signature": "number of a byte; its lowest bit is flipped",
        **{f"hcl.{part.name}": f"{part.size} bytes; {part.meaning}" for part in _HEADS},
    }
)
"""Those of the hardware below come with each TEE, under a prefix."""


class Hardware(NamedTuple):
    """What the hardware made, and what vouches for it."""

    report: bytes
    """As the paravisor's report holds it: 1184 bytes."""
    endorsement: bytes
    """A VCEK, or a TD quote."""
    roots: Mapping[str, bytes]
    collateral: Mapping[str, bytes]
    options: tuple[str, ...] = ()


def simulate(
    changes: Changes,
    now: datetime,
    *,
    tee: str,
    kind: Kind,
    make: Callable[[bytes], Hardware],
    encode: Callable[[Presented], bytes],
) -> Simulated:
    """Make evidence of a VM of Azure.

    Args:
        changes: what is to be otherwise.
        now: the time to make it for.
        tee: its name.
        kind: which hardware is below.
        make: makes the hardware's part, bound to 64 bytes of report data.
        encode: writes evidence.
    """
    key = PrivateKey.generate(KeyKind.RSA, bits=_AK_BITS)
    nonce = changes.data("report_data", REPORT_DATA)
    digest = quote_fields.init_data(changes)
    pcrs = quote_fields.registers(changes, _registers(digest))
    signer = b"\0\x0b" + hashlib.sha256(key.public.der()).digest()
    message = quote_fields.message(changes, signer=signer, nonce=nonce, pcrs=pcrs)
    other = quote_fields.chosen(changes, "signed_by", ("another",))
    signing = PrivateKey.generate(KeyKind.RSA, bits=_AK_BITS) if other else key
    variable_data = _variable_data(changes, key, nonce)
    bound = changes.data(
        "binding", hashlib.sha256(variable_data).digest() + bytes(USER_DATA_SIZE - 32)
    )
    hardware = make(bound)
    version = changes.number("version", NEWEST)
    presented = Presented(
        version=version,
        signature=quote_fields.flipped(changes, "flip_signature", signing.sign(message, "RS256")),
        message=quote_fields.flipped(changes, "flip", message),
        pcrs=quote_fields.shown(changes, pcrs),
        hcl_report=_hcl_report(changes, kind, hardware.report, variable_data),
        endorsement=hardware.endorsement,
    )
    return Simulated(
        tee=tee,
        evidence=encode(presented),
        report_data=nonce,
        init_data=digest,
        now=now,
        roots=hardware.roots,
        collateral=hardware.collateral,
        options=(
            *hardware.options,
            *((f"{tee}.min_version={version}",) if 0 <= version < NEWEST else ()),
        ),
    )


def _registers(digest: Digest | None) -> list[bytes]:
    """Give registers as after some boot; PCR 8 binds ``digest``, if it can."""
    pcrs = [hashlib.sha256(bytes((index,))).digest() for index in range(PCR_COUNT)]
    pcrs[INIT_DATA_PCR] = (
        init_data_register(digest)
        if digest is None or digest.algorithm.size == len(pcrs[0])
        else bytes(len(pcrs[0]))
    )
    return pcrs


def _variable_data(changes: Changes, key: PrivateKey, nonce: bytes) -> bytes:
    """Write the JSON as paravisors do: attestation key, endorsement key, configuration."""
    given = changes.text("variable_data", "")
    if given:
        return given.encode()
    members: dict[str, Any] = {
        "keys": [*_attestation_keys(changes, key), _endorsement_key()],
        "vm-configuration": {
            "console-enabled": False,
            "secure-boot": True,
            "tpm-enabled": True,
            "tpm-persisted": False,
            "vmUniqueId": "00000000-0000-4000-8000-000000000000",
        },
    }
    if changes.text("user_data", "") != "absent":
        user = changes.data("user_data", nonce[:USER_DATA_SIZE].ljust(USER_DATA_SIZE, b"\0"))
        members["user-data"] = user.hex().upper()
    return msgspec.json.encode(members)


def _attestation_keys(changes: Changes, key: PrivateKey) -> list[dict[str, Any]]:
    named = _named(key, AK_NAME, "sign")
    match quote_fields.chosen(changes, "ak", _AKS):
        case "":
            return [named]
        case "none":
            return []
        case "twice":
            return [named, named]
        case "elliptic":
            return [_named(PrivateKey.generate(KeyKind.P256), AK_NAME, "sign")]
        case "short":
            return [named | {"n": base64url.encode(b"\x80" + secrets.token_bytes(127))}]
        case _:
            return [named | {"kid": "HCLAkPub2"}]


def _named(key: PrivateKey, name: str, use: str) -> dict[str, Any]:
    jwk = msgspec.to_builtins(key.public.jwk())
    return {"kid": name, "key_ops": [use], **jwk}


def _endorsement_key() -> dict[str, Any]:
    """Name a key that nobody uses: no verifier looks at it, so its modulus is any number."""
    modulus = base64url.encode(b"\xc0" + secrets.token_bytes(_AK_BITS // 8 - 2) + b"\x01")
    return {"kid": EK_NAME, "key_ops": ["encrypt"], "kty": "RSA", "e": "AQAB", "n": modulus}


def _hcl_report(changes: Changes, kind: Kind, hardware: bytes, data: bytes) -> bytes:
    report = HclReport(kind=kind, hardware_report=hardware, variable_data=data)
    raw = bytearray(report.encode())
    end = raw.find(data) + len(data)
    raw[end - len(data) : end] = quote_fields.flipped(changes, "flip_variable_data", data)
    for part in _HEADS:
        value = _head(changes, part, bytes(raw[part.offset : part.offset + part.size]))
        raw[part.offset : part.offset + part.size] = value
    return bytes(raw)


def _head(changes: Changes, part: Part, default: bytes) -> bytes:
    field = f"hcl.{part.name}"
    if part.form != "I":
        value = changes.data(field, default)
    else:
        number = quote_fields.number(changes, field, int.from_bytes(default, "little"), part.size)
        value = number.to_bytes(part.size, "little")
    if len(value) != part.size:
        raise InputError(field, got=f"{len(value)} bytes", want=f"{part.size} bytes")
    return value
