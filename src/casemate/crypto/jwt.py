"""JSON Web Tokens, signed (RFC 7519, 7515 compact form): written, read, verified. No encryption.

The verifier names the key; the token's own ``alg`` must be the one that this kind of key has, so
neither ``none`` nor a symmetric algorithm can ever pass.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from casemate.crypto import base64url
from casemate.crypto.jwk import UNNAMED, Jwk
from casemate.crypto.keys import Kind, PrivateKey, PublicKey
from casemate.errors import MALFORMED_JSON, InputError, Refusal, VerificationError

LEEWAY: Final = 60
"""Seconds by which a clock may be wrong when ``exp`` is compared (trustee spec §7, §8)."""

_LONGEST: Final = 1 << 20
_ALGORITHMS: Final = {
    Kind.P256: ("ES256",),
    Kind.P384: ("ES384",),
    Kind.P521: ("ES512",),
    Kind.ED25519: ("EdDSA", "Ed25519"),
    Kind.RSA: ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
}


class Header(msgspec.Struct, frozen=True):
    """Members of a JOSE header that have a meaning here."""

    alg: str
    kid: str | msgspec.UnsetType = UNNAMED
    jwk: Jwk | msgspec.UnsetType = UNNAMED
    crit: Any | msgspec.UnsetType = UNNAMED


class Parsed(msgspec.Struct, frozen=True):
    """A token taken apart and not yet verified; only its header may be looked at."""

    header: Header
    header_text: str
    payload: bytes
    signed: bytes
    signature: bytes


class Verified(msgspec.Struct, frozen=True):
    """A token whose signature and times hold. Only ``verify`` makes one."""

    claims: dict[str, Any]


def encode_header(header: Mapping[str, Any]) -> str:
    """Write a header once, for a signer that uses it for every token."""
    return base64url.encode(msgspec.json.encode(header))


def sign(claims: object, key: PrivateKey, *, header: str | None = None) -> str:
    """Sign ``claims`` (a JSON object); ``header`` is what ``encode_header`` gave."""
    head = header or encode_header({"typ": "JWT", "alg": key.algorithm})
    signed = f"{head}.{base64url.encode(msgspec.json.encode(claims))}"
    return f"{signed}.{base64url.encode(key.sign(signed.encode('ascii')))}"


def parse(token: str) -> Parsed:
    """Take a compact token apart.

    Raises:
        InputError: not three base64url parts, over 1 MiB, or a header that is no JOSE header.
    """
    parts = token.split(".") if len(token) <= _LONGEST and token.isascii() else []
    if len(parts) != 3:
        raise InputError("token", got=f"{len(token)} characters", want="a signed JWT up to 1 MiB")
    header, payload, signature = (base64url.decode(part, where="token") for part in parts)
    return Parsed(
        header=_parse_header(header),
        header_text=parts[0],
        payload=payload,
        signed=token[: -len(parts[2]) - 1].encode("ascii"),
        signature=signature,
    )


def verify(token: Parsed, key: PublicKey, *, now: float) -> Verified:
    """Verify signature, then ``exp`` (required). ``now`` is seconds since the epoch.

    Raises:
        VerificationError: wrong algorithm, signature, or time.
    """
    claims = signed_claims(token, key)
    expires = claims.get("exp")
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise _refused("exp", repr(expires), "a time in seconds")
    if now > expires + LEEWAY:
        raise _refused("exp", f"{now - expires:.0f} s past", "a token that has not expired")
    return Verified(claims)


def signed_claims(token: Parsed, key: PublicKey) -> dict[str, Any]:
    """Verify the signature alone, of tokens without ``exp``: their age is the caller's to judge.

    Raises:
        VerificationError: wrong algorithm or signature, or claims that are no JSON object.
    """
    if token.header.alg not in _ALGORITHMS[key.kind] or token.header.crit is not UNNAMED:
        raise _refused("alg", token.header.alg, f"{' or '.join(_ALGORITHMS[key.kind])}, no crit")
    key.verify(token.signature, token.signed, token.header.alg)
    return _parse_claims(token.payload)


def _parse_header(text: bytes) -> Header:
    try:
        return msgspec.json.decode(text, type=Header)
    except MALFORMED_JSON as error:
        raise InputError("token header", got=error, want="a JOSE header") from error


def _parse_claims(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except MALFORMED_JSON as error:
        raise _refused("claims", str(error), "a JSON object") from error


def _refused(claim: str, got: str, expected: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="token",
            claim=claim,
            got=got,
            expected=expected,
            rule="RFC 7519",
            remedy="Get a fresh token from the issuer that this service trusts.",
        )
    )
