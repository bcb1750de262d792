"""Attestation tokens as the broker reads them: whose signature counts, whose key is in it (§8)."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from casemate.crypto import jwt
from casemate.crypto.jwk import UNNAMED, EcJwk, TeePublicKey
from casemate.crypto.keys import PublicKey
from casemate.crypto.x509 import Usage, verify_chain
from casemate.errors import InputError, Refusal, VerificationError
from casemate.wire.kbs import parse_tee_key
from casemate.wire.token import ANNOTATED

_TEE_KEY: Final = ("submods", "cpu0", ANNOTATED, "runtime_data_claims", "tee-pubkey")
_CHAIN: Final = 5
_CACHE: Final = 256
_HOLDS: Final = 60.0  # seconds for which a chain that verified is not verified again


class Passport(msgspec.Struct, frozen=True):
    """A verified token: its claims, and the key that secrets are sealed to."""

    claims: dict[str, Any]
    tee_key: TeePublicKey

    @property
    def init_data_claims(self) -> Any:
        """The primary evidence's initdata, or None."""
        return _dig(self.claims, (*_TEE_KEY[:-2], "init_data_claims"))


class PassportControl:
    """Verifies tokens: a key counts when its certificate chains to an authority (DER)."""

    def __init__(self, authorities: Sequence[bytes], *, clock: Callable[[], float]) -> None:
        self._authorities = tuple(authorities)
        self._clock = clock
        self._keys: dict[str, tuple[float, PublicKey]] = {}

    def verify(self, token: str) -> Passport:
        """Verify in steps: (1) the key's endorsement, (2) signature, (3) time, (4) the TEE key.

        Raises:
            InputError: it is no token.
            VerificationError: one of the steps failed.
        """
        parsed = jwt.parse(token)
        key = self._endorsed(parsed)
        claims = jwt.verify(parsed, key, now=self._clock()).claims
        return Passport(claims, _tee_key(claims))

    def _endorsed(self, parsed: jwt.Parsed) -> PublicKey:
        now = self._clock()
        since, known = self._keys.get(parsed.header_text, (0.0, None))
        if known is not None and 0 <= now - since < _HOLDS:
            return known
        key = self._endorse(parsed.header, now)
        if len(self._keys) >= _CACHE:
            self._keys.clear()
        self._keys[parsed.header_text] = (now, key)
        return key

    def _endorse(self, header: jwt.Header, now: float) -> PublicKey:
        jwk = header.jwk
        if not isinstance(jwk, EcJwk) or jwk.alg != header.alg:
            raise _refused("jwk", "none, or one without the token's alg", "an EC key with its alg")
        if jwk.x5c is UNNAMED or not 0 < len(jwk.x5c) <= _CHAIN:
            raise _refused("x5c", "no certificates", f"1 to {_CHAIN} certificates")
        leaf, *rest = (_der(text) for text in jwk.x5c)
        at = datetime.fromtimestamp(now, UTC)
        facts = verify_chain(leaf, rest, self._authorities, at=at, usage=Usage.DOCUMENT)
        key = PublicKey.from_jwk(jwk)
        if facts.public_key_der != key.der():
            raise _refused("x5c", "a certificate of another key", "the certificate of jwk")
        return key


def _der(text: str) -> bytes:
    try:
        return base64.b64decode(text.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("x5c", got=error, want="base64 DER") from error


def _tee_key(claims: dict[str, Any]) -> TeePublicKey:
    found = _dig(claims, _TEE_KEY)
    if found is None:
        found = claims.get("tee-pubkey")
    try:
        return parse_tee_key(msgspec.json.encode(found))
    except InputError as error:
        raise _refused("tee-pubkey", error.got, "the TEE's key") from error


def _dig(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(name)
    return tree


def _refused(claim: str, got: str, expected: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="release",
            claim=f"token {claim}",
            got=got,
            expected=expected,
            rule="trustee spec §8",
            remedy="Get a token from the attestation service that this broker trusts.",
        )
    )
