"""A realm and its platform in software: tokens with real signatures under a store made for them.

Everything in a token is a field: values before they are signed, bits after, and the structure.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.crypto import cbor, cose
from casemate.crypto.algorithms import Kind
from casemate.crypto.digest import Algorithm, Digest
from casemate.crypto.keys import PrivateKey, PublicKey
from casemate.errors import InputError
from casemate.tee.cca import platform as platform_claims
from casemate.tee.cca import realm as realm_claims
from casemate.tee.cca.platform import PLATFORM, Component, Platform
from casemate.tee.cca.realm import REALM, Realm
from casemate.tee.cca.report import PLATFORM_KEY, REALM_KEY, TAG, TEE, evidence_of
from casemate.tee.evidence import fitted
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated

_FORMS: Final = {"first": None, "2023": realm_claims.PROFILE}
_KINDS: Final = {"ES256": Kind.P256, "ES384": Kind.P384, "ES512": Kind.P521}
_COMPONENTS: Final = (
    Component(kind="BL2", value=b"\x21" * 32, signer=b"\x53" * 32, hash_name="sha-256"),
    Component(kind="RMM", value=b"\xa1" * 32, signer=b"\x53" * 32, version="1.0.2"),
)
_SECURED: Final = 0x3000

FIELDS: Final = MappingProxyType(
    {
        **COMMON,
        "form": "first or 2023: which profiles the tokens have",
        "platform_algorithm": "ES256, ES384 or ES512",
        "realm_algorithm": "ES256, ES384 or ES512; the first form has ES384 alone",
        "platform_profile": "text",
        "platform_nonce": "hex; digest of the realm's key",
        "implementation_id": "hex, 32 bytes",
        "instance_id": "hex, 33 bytes, the first 01",
        "config": "hex",
        "lifecycle": "number; 0x3000 to 0x30ff are secured",
        "service": "text",
        "platform_hash": "sha-256 or sha-512",
        "components": "number of firmware components",
        "component_kind": "text, of the first component",
        "component_value": "hex, of the first component",
        "component_version": "text, of the first component",
        "component_signer": "hex, of the first component",
        "component_hash": "text, of the first component",
        "realm_profile": "text; none takes it away",
        "challenge": "hex, 64 bytes, instead of the report data",
        "personalization": "hex, 64 bytes, instead of the init data",
        "initial_measurement": "hex, 32, 48 or 64 bytes",
        "extensible_measurement": "hex, of the first of four registers",
        "extensible_count": "number of registers",
        "realm_hash": "sha-256 or sha-512",
        "realm_key": "hex of the key in the token; another key signs",
        "realm_key_hash": "sha-256 or sha-512",
        "platform_signer": "other: a key that no store knows",
        "realm_signer": "other: a key that is not in the token",
        "drop": "key of a claim that is left out of both tokens",
        "retype": "key of a claim that becomes the text 'wrong' in both tokens",
        "extra": "key of an unknown claim that both tokens get",
        "tag": "number; of the token",
        "envelope_tag": "number; of both COSE_Sign1",
        "header": "unprotected, none, critical or both: where the algorithm stands",
        "member": "key of another member beside the two tokens",
        "tail": "hex of bytes behind the token",
        "store": "missing, twice, off-curve, algorithm or implementation: what is wrong with it",
        "references": "none, empty, platform or realm: what is missing or differs",
    }
)
"""What may be set."""


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make a token, and the store that knows its platform.

    Raises:
        InputError: a field cannot be meant.
    """
    platform_key = PrivateKey.generate(_kind(changes, "platform_algorithm"))
    realm_key = PrivateKey.generate(_kind(changes, "realm_algorithm"))
    report_data = changes.data("report_data", REPORT_DATA)
    init_data = _init_data(changes)
    realm = _realm(changes, realm_key.public, report_data, init_data.value if init_data else b"")
    platform = _platform(changes, realm)
    signers = {
        PLATFORM_KEY: _other(changes, "platform_signer", platform_key),
        REALM_KEY: _other(changes, "realm_signer", realm_key),
    }
    payloads = {
        PLATFORM_KEY: _payload(changes, platform.encode(), {c.key for c in PLATFORM}),
        REALM_KEY: _payload(changes, realm.encode(), {c.key for c in REALM}),
    }
    messages: dict[cbor.Key, bytes] = {
        key: _sign(changes, payload, signers[key]) for key, payload in payloads.items()
    }
    flip = changes.number("flip", -1)
    if flip >= 0:
        messages = _flipped(messages, payloads, flip)
    if changes.text("member", ""):
        messages[changes.number("member", 0)] = b""
    token = cbor.encode(cbor.Tag(changes.number("tag", TAG), {**messages})) + changes.data(
        "tail", b""
    )
    return Simulated(
        tee=TEE,
        evidence=evidence_of(token),
        binary=token,
        report_data=report_data,
        init_data=init_data,
        now=now,
        roots=_stores(changes, platform, realm, platform_key.public),
    )


def _init_data(changes: Changes) -> Digest | None:
    value = changes.data("init_data", b"")
    sizes = {algorithm.size: algorithm for algorithm in Algorithm}
    if not value:
        return None
    if len(value) not in sizes:
        raise InputError("init_data", got=f"{len(value)} bytes", want="32, 48 or 64 bytes")
    return Digest(sizes[len(value)], value)


def _kind(changes: Changes, field: str) -> Kind:
    name = changes.text(field, "ES384")
    if name not in _KINDS:
        raise InputError(field, got=name, want=", ".join(_KINDS))
    return _KINDS[name]


def _realm(changes: Changes, key: PublicKey, report_data: bytes, init_data: bytes) -> Realm:
    profile = _FORMS.get(changes.text("form", "first"))
    if changes.text("form", "first") not in _FORMS:
        raise InputError("form", got=changes.text("form", ""), want=", ".join(_FORMS))
    named = changes.text("realm_profile", profile or "none")
    written = cose.encode_point(key) if profile is None else cose.encode_key(key)
    extensible = [changes.data("extensible_measurement", bytes(64)), *[bytes(64)] * 3]
    return Realm(
        profile=None if named == "none" else named,
        challenge=changes.data("challenge", fitted(report_data, 64)),
        personalization=changes.data("personalization", fitted(init_data, 64)),
        initial=changes.data("initial_measurement", b"\x1b" * 64),
        extensible=tuple(extensible[: changes.number("extensible_count", 4)]),
        hash_name=changes.text("realm_hash", "sha-512"),
        key=changes.data("realm_key", written),
        key_hash_name=changes.text("realm_key_hash", "sha-256"),
    )


def _platform(changes: Changes, realm: Realm) -> Platform:
    profile = platform_claims.LEGACY_PROFILE
    if changes.text("form", "first") == "2023":
        profile = platform_claims.PROFILE
    return Platform(
        profile=changes.text("platform_profile", profile),
        nonce=changes.data("platform_nonce", _key_digest(realm)),
        implementation_id=changes.data("implementation_id", b"\x1d" * 32),
        instance_id=changes.data("instance_id", b"\x01" + b"\x2e" * 32),
        config=changes.data("config", b"\xcf" * 4),
        lifecycle=changes.number("lifecycle", _SECURED),
        components=_components(changes),
        hash_name=changes.text("platform_hash", "sha-256"),
        service=changes.text("service", "https://verifier.example/"),
    )


def _key_digest(realm: Realm) -> bytes:
    """Hash the key, for names that no token may have too."""
    name = "sha512" if realm.key_hash_name == "sha-512" else "sha256"
    return hashlib.new(name, realm.key).digest()


def _components(changes: Changes) -> tuple[Component, ...]:
    first, *others = _COMPONENTS[: changes.number("components", len(_COMPONENTS))] or (None,)
    if first is None:
        return ()
    changed = msgspec.structs.replace(
        first,
        kind=changes.text("component_kind", first.kind or ""),
        value=changes.data("component_value", first.value),
        version=changes.text("component_version", "1"),
        signer=changes.data("component_signer", first.signer),
        hash_name=changes.text("component_hash", "sha-256"),
    )
    return (changed, *others)


def _payload(changes: Changes, payload: bytes, keys: set[int]) -> bytes:
    """Take a claim away, give it another type, or add one."""
    found = cbor.decode(payload, "simulated claims")
    assert isinstance(found, Mapping)  # we wrote it
    members = dict(found)
    members.pop(changes.number("drop", -1), None)
    retyped = changes.number("retype", -1)
    if retyped in keys & members.keys():
        members[retyped] = b"" if isinstance(members[retyped], str) else "wrong"
    if changes.text("extra", ""):
        members[changes.number("extra", -1)] = "unknown"
    return cbor.encode(members)


def _sign(changes: Changes, payload: bytes, key: PrivateKey) -> bytes:
    signed = cbor.decode(cose.sign(payload, key), "simulated message")
    match signed:
        case cbor.Tag(number, (bytes(protected), dict(), _, bytes(signature))):
            header: Any = cbor.decode(protected, "simulated header")
        case _:
            raise AssertionError(signed)  # we wrote it
    unprotected: dict[cbor.Key, cbor.Value] = {}
    match changes.text("header", "protected"):
        case "unprotected":
            protected, unprotected = b"", header
        case "none":
            protected = b""
        case "both":
            unprotected = header
        case "critical":
            protected = cbor.encode({**header, 2: (4,), 4: b"key"})
    number = changes.number("envelope_tag", number)
    return cbor.encode(cbor.Tag(number, (protected, unprotected, payload, signature)))


def _flipped(
    messages: dict[cbor.Key, bytes], payloads: dict[int, bytes], at: int
) -> dict[cbor.Key, bytes]:
    """Flip a bit of what is signed: the platform's claims, then the realm's, counted on."""
    found = dict(messages)
    for key, payload in payloads.items():
        if at < len(payload):
            changed = bytearray(payload)
            changed[at] ^= 1
            found[key] = messages[key].replace(payload, bytes(changed))
            return found
        at -= len(payload)
    raise InputError("flip", got=at, want="a byte of the claims")


def _other(changes: Changes, field: str, key: PrivateKey) -> PrivateKey:
    return PrivateKey.generate(key.kind) if changes.text(field, "") == "other" else key


def _stores(changes: Changes, platform: Platform, realm: Realm, key: PublicKey) -> dict[str, bytes]:
    entry: dict[str, Any] = {
        "instance-id": platform.instance_id.hex(),
        "implementation-id": platform.implementation_id.hex(),
        "pkey": msgspec.to_builtins(key.jwk()),
    }
    fault = changes.text("store", "")
    entries = [] if fault == "missing" else [entry]
    match fault:
        case "twice":
            other = PrivateKey.generate(key.kind).public
            entries.append({**entry, "pkey": msgspec.to_builtins(other.jwk())})
        case "off-curve":
            entry["pkey"]["y"] = entry["pkey"]["x"]
        case "algorithm":
            entry["pkey"]["alg"] = "ES256K"
        case "implementation":
            entry["implementation-id"] = "00" * 32
    found = {"tastore.json": msgspec.json.encode(entries)}
    if changes.text("references", "") != "none":
        found["rvstore.json"] = msgspec.json.encode(_references(changes, platform, realm))
    return found


def _references(changes: Changes, platform: Platform, realm: Realm) -> dict[str, Any]:
    fault = changes.text("references", "")
    if fault == "empty":
        return {"platform": [], "realm": []}
    configuration = b"\0" if fault == "platform" else platform.config
    initial = b"\0" if fault == "realm" else realm.initial
    return {
        "platform": [
            {
                "implementation-id": platform.implementation_id.hex(),
                "sw-components": [
                    {
                        "component-type": one.kind,
                        "measurement-value": one.value.hex(),
                        "signer-id": one.signer.hex(),
                        "version": one.version,
                    }
                    for one in platform.components
                ],
                "platform-configuration": configuration.hex(),
            }
        ],
        "realm": [
            {
                "initial-measurement": initial.hex(),
                "rak-hash-algorithm": realm.key_hash_name,
                "extensible-measurements": [one.hex() for one in realm.extensible],
                "personalization-value": realm.personalization.hex(),
            }
        ],
    }
