"""Signs attestation results: ES256, with the key's certificate in the header (trustee spec §11)."""

import base64
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec

from casemate.crypto import jwt
from casemate.crypto.certificate import Certificate
from casemate.crypto.keys import Kind, PrivateKey, PublicKey
from casemate.errors import InputError, PeerError, VerificationError
from casemate.wire.token import Result

ISSUER: Final = "CoCo-Attestation-Service"
PROFILE: Final = "tag:github.com,2024:confidential-containers/Trustee"
_PROOF: Final = b"casemate: this key signs tokens"
DEVELOPER: Final = "https://confidentialcontainers.org"


class TokenSigner:
    """Makes tokens that are good for ``lifetime`` seconds.

    ``chain`` is DER, leaf first: whoever trusts its root can verify a token with nothing else.
    """

    def __init__(
        self,
        key: PrivateKey,
        chain: Sequence[bytes],
        *,
        lifetime: int,
        clock: Callable[[], float],
        issuer: str = ISSUER,
    ) -> None:
        if key.kind is not Kind.P256:
            raise InputError("token key", got=key.kind, want="EC P-256", spec="trustee spec §10.3")
        self._key = key
        self._lifetime = lifetime
        self._clock = clock
        self._issuer = issuer
        self._verifier = {"developer": DEVELOPER, "build": f"casemate {version('casemate')}"}
        self._header = jwt.encode_header(
            {"typ": "JWT", "alg": "ES256", "jwk": _header_jwk(key, chain)}
        )

    def sign(self, submods: dict[str, dict[str, Any]]) -> str:
        """Sign a verdict now."""
        now = int(self._clock())
        result = Result(
            eat_profile=PROFILE,
            iat=now,
            exp=now + self._lifetime,
            iss=self._issuer,
            verifier=self._verifier,
            submods=submods,
        )
        return jwt.sign(result, self._key, header=self._header)


def require_pair(key: PrivateKey, leaf: bytes) -> None:
    """Refuse a certificate (DER) of another key: nobody would take a token that carries it.

    By a signature, so that what signs is known to work before the first guest comes.

    Raises:
        InputError: the two do not belong together.
    """
    try:
        certified = PublicKey.from_der(Certificate.parse(leaf).spki)
        certified.verify(key.sign(_PROOF, "ES256"), _PROOF, "ES256")
    except (InputError, PeerError, VerificationError) as error:
        raise InputError(
            "token.certificate", got="a certificate of another key", want="that of token.key"
        ) from error


def _header_jwk(key: PrivateKey, chain: Sequence[bytes]) -> dict[str, Any]:
    members = msgspec.to_builtins(key.public.jwk())
    ordered = {"alg": "ES256", **members}
    if chain:
        ordered["x5c"] = [base64.b64encode(der).decode("ascii") for der in chain]
    return ordered
