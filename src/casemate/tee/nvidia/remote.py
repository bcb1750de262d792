"""NVIDIA's attestation service (NRAS, tee §13): what it is asked, and what its answer proves.

The answer is a list: ``["JWT", overall token]`` and an object of tokens, one for each device. Each
is signed by a key of the service's JWKS, issued by it, unexpired, and says that the nonce matched.
"""

import binascii
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from casemate.crypto import jwt
from casemate.crypto.jwk import UNNAMED, Jwk
from casemate.crypto.keys import Kind, PublicKey
from casemate.errors import MALFORMED_JSON, InputError, VerificationError
from casemate.tee.evidence import Inputs
from casemate.tee.nvidia.options import NvidiaOptions
from casemate.tee.trail import Step

CLAIMS_VERSION: Final = "3.0"
JWKS_NAME: Final = "nvidia/nras/jwks.json"
_MOST_KEYS: Final = 64
_MOST_TOKENS: Final = 64
_OVERALL: Final = "x-nvidia-overall-att-result"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One question: devices of one architecture."""

    tee_class: str
    """``gpu`` or ``switch``."""
    architecture: str
    """As in evidence."""
    nonce: bytes
    devices: tuple[tuple[bytes, bytes], ...]
    """Report, and PEM chain, of each."""

    @property
    def body(self) -> bytes:
        """The question, JSON."""
        return msgspec.json.encode(
            {
                "nonce": self.nonce.hex(),
                "arch": self.architecture,
                "evidence_list": [
                    {"evidence": _base64(report), "certificate": _base64(pem)}
                    for report, pem in self.devices
                ],
                "claims_version": CLAIMS_VERSION,
            }
        )

    @property
    def name(self) -> str:
        """Where the answer is kept."""
        return f"nvidia/nras/{self.tee_class}/{sha256(self.body).hexdigest()}.json"


class _Jwks(msgspec.Struct, frozen=True):
    keys: tuple[Jwk, ...]


class _Service(msgspec.Struct, frozen=True):
    """The service as it was told: its keys, its name, and the time."""

    keys: dict[str, PublicKey]
    issuer: str
    now: float

    def claims(self, token: str) -> dict[str, Any]:
        """Verify a token and give its claims.

        Raises:
            InputError: it is none, or no key of the service signed it.
            VerificationError: signature, time or issuer are wrong.
        """
        parsed = jwt.parse(token)
        kid = parsed.header.kid
        if not isinstance(kid, str) or kid not in self.keys:
            raise InputError("token", got=f"key {kid}", want="a key of the service's JWKS")
        return jwt.verify(parsed, self.keys[kid], now=self.now).claims


def verify(
    step: Step, asked: Asked, inputs: Inputs, options: NvidiaOptions
) -> tuple[dict[str, Any], ...]:
    """Verify the service's answer, and give its claims of each device.

    Raises:
        VerificationError: there is none for this nonce, or it does not hold.
    """
    service = _Service(dict(_keys(inputs)), options.nras_issuer, inputs.now.timestamp())
    for overall, detached in _answers(inputs):
        try:
            claims = service.claims(overall)
        except (InputError, VerificationError):
            continue  # another service's, an old one: none of ours to judge
        if claims.get("eat_nonce") != asked.nonce.hex() or not _is_about(detached, asked):
            continue
        _require_issuer(step, claims, service)
        step.require(claims.get(_OVERALL) is True, _OVERALL, claims.get(_OVERALL), "true")
        return tuple(_device(step, one, asked, service) for one in detached.values())
    raise step.refusal(
        claim="attestation service",
        got="no answer that its keys signed for this nonce and these devices",
        expected=f"one for {len(asked.devices)} devices ({asked.tee_class})",
        remedy=f"ask {options.nras_url}/{asked.tee_class}, and keep its answer and its JWKS as "
        "collateral",
    )


def _device(step: Step, token: str, asked: Asked, service: _Service) -> dict[str, Any]:
    try:
        claims = service.claims(token)
    except InputError as error:
        raise step.refusal(
            claim="token of a device", got=str(error), expected="one by the service"
        ) from error
    _require_issuer(step, claims, service)
    name = f"x-nvidia-{asked.tee_class}-attestation-report-nonce-match"
    step.require(claims.get(name) is True, name, claims.get(name), "true")
    nonce = claims.get("eat_nonce")
    step.require(nonce == asked.nonce.hex(), "eat_nonce", nonce, asked.nonce.hex())
    return claims


def _require_issuer(step: Step, claims: Mapping[str, Any], service: _Service) -> None:
    issuer = claims.get("iss")
    step.require(issuer == service.issuer, "iss", issuer, service.issuer)


def _is_about(detached: Mapping[str, str], asked: Asked) -> bool:
    """Say whether an answer is about that many devices of this kind: ``GPU-0`` and so on."""
    kind = "gpu" if asked.tee_class == "gpu" else ("nvswitch", "switch")
    return len(detached) == len(asked.devices) and all(
        name.lower().startswith(kind) for name in detached
    )


def _answers(inputs: Inputs) -> Iterator[tuple[str, dict[str, str]]]:
    for body in inputs.collateral.files.values():
        if body.lstrip()[:1] != b"[":
            continue
        try:
            overall, detached = msgspec.json.decode(
                body, type=tuple[tuple[str, str], dict[str, str]]
            )
        except MALFORMED_JSON:
            continue
        if overall[0] == "JWT" and 1 <= len(detached) <= _MOST_TOKENS:
            yield overall[1], detached


def _keys(inputs: Inputs) -> Iterator[tuple[str, PublicKey]]:
    for body in (*inputs.anchors.material.files.values(), *inputs.collateral.files.values()):
        if b'"keys"' not in body:
            continue
        try:
            found = msgspec.json.decode(body, type=_Jwks).keys[:_MOST_KEYS]
        except MALFORMED_JSON:
            continue
        for one in found:
            key = _key(one)
            if one.kid is not UNNAMED and key is not None:
                yield str(one.kid), key


def _key(jwk: Jwk) -> PublicKey | None:
    """Read a key on P-384, which is what the service signs with; None for another."""
    try:
        key = PublicKey.from_jwk(jwk)
    except InputError:
        return None
    return key if key.kind is Kind.P384 else None


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")
