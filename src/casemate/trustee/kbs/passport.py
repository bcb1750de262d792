"""Attestation tokens as the broker reads them: whose signature counts, whose key is in it (§8)."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from casemate.crypto import jwt
from casemate.crypto.jwk import TeePublicKey
from casemate.crypto.keys import PublicKey
from casemate.errors import InputError, Refusal, VerificationError
from casemate.wire.kbs import parse_tee_key
from casemate.wire.token import ANNOTATED
from casemate.wire.token_key import endorsed

_TEE_KEY: Final = ("submods", "cpu0", ANNOTATED, "runtime_data_claims", "tee-pubkey")
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
        at = datetime.fromtimestamp(now, UTC)
        key = endorsed(parsed.header, self._authorities, at=at)
        if len(self._keys) >= _CACHE:
            self._keys.clear()
        self._keys[parsed.header_text] = (now, key)
        return key


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
