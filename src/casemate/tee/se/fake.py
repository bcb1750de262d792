"""Evidence of Secure Execution without an IBM Z: a request of ours, answered by a software machine.

The file it makes is a kept pair, request and response. Whoever has not the challenge key of the
simulated Trustee and its test root accepts none of it.
"""

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.crypto.digest import Algorithm, Digest
from casemate.crypto.keys import Kind, PrivateKey
from casemate.errors import InputError
from casemate.secret import Secret
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Inputs, fitted
from casemate.tee.material import Material
from casemate.tee.se.challenge import challenge
from casemate.tee.se.fake_vendor import FAULTS, FakeVendor
from casemate.tee.se.image_header import ImageTags, encode_header
from casemate.tee.se.measurement import measure
from casemate.tee.se.report import TEE, USER_DATA_SIZE, SePair, SeRequest, SeResponse
from casemate.tee.se.request_block import hash_of
from casemate.tee.se.sealing import SECRET_SIZE, Binding, Part, unseal
from casemate.tee.se.site import CHALLENGE_KEY, HEADER
from casemate.tee.se.ultravisor import Ultravisor
from casemate.tee.simulation import COMMON, REPORT_DATA, Changes, Simulated

SESSION: Final = "simulated"
_LIFETIME: Final = timedelta(minutes=5)
_IMAGE: Final = ImageTags(b"\x0a" * 64, b"\x0b" * 64, b"\x0c" * 64, b"\x0d" * 16)
_CUID: Final = bytes(range(16))
_SIGNED: Final = (("image_hdr_tags", 208), ("cuid", 16), ("user_data", 64), ("additional_data", 64))
"""What the measurement covers of the response, in its order."""

_BLOCK: Final = MappingProxyType(
    {
        "magic": (0, 8),
        "version": (8, 4),
        "size": (12, 4),
        "slots": (39, 1),
        "sealed_size": (44, 4),
        "flags": (48, 8),
        "algorithm": (56, 4),
    }
)
"""Fields of the request block that a verifier looks at: offset and size."""

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **COMMON,
        "user_data": "hex; what the guest hands in instead of the report data",
        "cuid": "hex of 16 bytes; which VM answers",
        "image_key_hash": "hex of 32 bytes; host key that the image was built for",
        "attestation_key_hash": "hex of 32 bytes; host key that says it answered",
        "measurement": "hex; instead of the HMAC",
        "measurement_key": "hex of 64 bytes; that the machine measures with",
        "nonce": "hex of 16 bytes; that the machine measures",
        "pld": "hex of 64 bytes; page list digest of the image that runs",
        "ald": "hex of 64 bytes; address list digest of the image that runs",
        "tld": "hex of 64 bytes; tweak list digest of the image that runs",
        "tag": "hex of 16 bytes; header tag of the image that runs",
        "configured_tag": "hex of 16 bytes; header tag that the verifier is configured with",
        "session": "text; session that the file names",
        "expired": "true: the session has ended",
        "other_challenge_key": "true: another Trustee made the challenge",
        "other_host": "true: a machine answers that was not asked",
        "request.measurement_size": "number of bytes",
        "request.additional_size": "number of bytes",
        "request.encr_measurement_key": "hex",
        "request.encr_request_nonce": "hex",
        "request.image_hdr_tags": "hex",
        **{
            f"request.{name}": f"number; {size} bytes of the block"
            for name, (_, size) in _BLOCK.items()
        },
        "request.flip": "number of a byte of the block; its lowest bit is flipped",
        "response.encr_measurement_key": "hex; what comes back",
        "response.encr_request_nonce": "hex; what comes back",
        "response.image_hdr_tags": "hex; what comes back",
        "fault": "what the vendor publishes is wrong: " + ", ".join(FAULTS),
    }
)


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make a challenge, answer it, and change what was asked to be changed."""
    fault = changes.text("fault", "")
    if fault and fault not in FAULTS:
        raise InputError("fault", got=fault, want=", ".join(FAULTS))
    host = PrivateKey.generate(Kind.P521)
    vendor = FakeVendor(now)
    hosts = {"host-key.pem": host.public}
    key = os.urandom(SECRET_SIZE)
    roots, published = vendor.publishes(hosts)
    trustee = {**roots, HEADER: encode_header(_IMAGE), CHALLENGE_KEY: key}
    expires = now + (-_LIFETIME if changes.flag("expired") else _LIFETIME)
    inputs = Inputs(
        now=now, anchors=Anchors.of_folder(trustee), collateral=Material.of_files(published)
    )
    text = challenge(SESSION, expires, inputs, os.urandom)
    request = msgspec.json.decode(text, type=SeRequest)
    report_data = changes.data("report_data", REPORT_DATA)
    response = _answer(changes, request, Secret(key), host, report_data)
    request, response = _changed(changes, request, response)
    pair = SePair(request=request, response=response, session=changes.text("session", SESSION))
    roots, published = vendor.publishes(hosts, fault)
    configured = _IMAGE._replace(tag=changes.data("configured_tag", _IMAGE.tag))
    other_key = changes.flag("other_challenge_key")
    return Simulated(
        tee=TEE,
        evidence=msgspec.json.encode(pair),
        report_data=report_data,
        init_data=_init_data(changes),
        now=now,
        roots={
            **roots,
            HEADER: encode_header(configured),
            CHALLENGE_KEY: os.urandom(SECRET_SIZE) if other_key else key,
        },
        collateral=published,
    )


def _answer(
    changes: Changes, request: SeRequest, key: Secret, host: PrivateKey, report_data: bytes
) -> SeResponse:
    """Let the machine answer; measure again when it must not be what it is."""
    image = ImageTags(
        *(changes.data(name, getattr(_IMAGE, name)) for name in ("pld", "ald", "tld", "tag"))
    )
    own = hash_of(host.public)
    machine = Ultravisor(
        host_key=host,
        image=image,
        image_key_hash=changes.data("image_key_hash", own),
        cuid=changes.data("cuid", _CUID),
    )
    user = fitted(changes.data("user_data", report_data), USER_DATA_SIZE)
    response = machine.answer(request, user)
    if changes.flag("other_host"):
        own = hash_of(PrivateKey.generate(Kind.P521).public)
    additional = machine.image_key_hash + changes.data("attestation_key_hash", own)
    binding = Binding(request.image_hdr_tags, request.request_blob)
    sealed = {
        "measurement_key": (Part.MEASUREMENT_KEY, request.encr_measurement_key),
        "nonce": (Part.NONCE, request.encr_request_nonce),
    }
    opened = {
        name: changes.data(name, unseal(key, part, body, binding).secret.reveal())
        for name, (part, body) in sealed.items()
    }
    measurement = measure(
        Secret(opened["measurement_key"]),
        image,
        machine.cuid,
        user=user,
        nonce=opened["nonce"],
        additional=additional,
    )
    return msgspec.structs.replace(
        response,
        additional_data=additional,
        measurement=changes.data("measurement", measurement),
    )


def _changed(
    changes: Changes, request: SeRequest, response: SeResponse
) -> tuple[SeRequest, SeResponse]:
    """Set members of both messages after they were made."""
    block = bytearray(request.request_blob)
    for name, (offset, size) in _BLOCK.items():
        old = int.from_bytes(block[offset : offset + size], "big")
        new = changes.number(f"request.{name}", old)
        block[offset : offset + size] = (new % (1 << 8 * size)).to_bytes(size, "big")
    flip = changes.number("request.flip", -1)
    if flip >= 0:
        block[flip % len(block)] ^= 1
    echoed = ("encr_measurement_key", "encr_request_nonce", "image_hdr_tags")
    asked: dict[str, Any] = {
        name: changes.data(f"request.{name}", getattr(request, name)) for name in echoed
    }
    answered: dict[str, Any] = {
        name: changes.data(f"response.{name}", asked[name]) for name in echoed
    }
    sizes = {
        name: changes.number(f"request.{name}", getattr(request, name))
        for name in ("measurement_size", "additional_size")
    }
    return (
        msgspec.structs.replace(request, request_blob=bytes(block), **asked, **sizes),
        _flipped(msgspec.structs.replace(response, **answered), changes.number("flip", -1)),
    )


def _flipped(response: SeResponse, number: int) -> SeResponse:
    if number < 0:
        return response
    number %= sum(size for _, size in _SIGNED)
    for name, size in _SIGNED:
        if number < size:
            value = bytearray(getattr(response, name))
            value[number] ^= 1
            return msgspec.structs.replace(response, **{name: bytes(value)})
        number -= size
    return response


def _init_data(changes: Changes) -> Digest | None:
    value = changes.data("init_data", b"")
    sizes = {algorithm.size: algorithm for algorithm in Algorithm}
    if value and len(value) not in sizes:
        raise InputError("init_data", got=f"{len(value)} bytes", want="32, 48 or 64")
    return Digest(sizes[len(value)], value) if value else None
