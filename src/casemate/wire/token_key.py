"""Whose signature on an attestation token counts: its key's certificate chains to an authority."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from casemate.crypto import jwt
from casemate.crypto.jwk import UNNAMED, EcJwk
from casemate.crypto.keys import PublicKey
from casemate.crypto.x509 import Usage, verify_chain
from casemate.errors import InputError, Refusal, VerificationError

_CHAIN: Final = 5


def endorsed(header: jwt.Header, authorities: Sequence[bytes], *, at: datetime) -> PublicKey:
    """Give the key of a token's header (``jwk`` with ``x5c``, §8) when an authority vouches for it.

    Args:
        header: of a token that is not yet verified.
        authorities: DER of the certificates that count.
        at: the time of verification.

    Raises:
        VerificationError: no key, no certificates, another key's, or no authority's.
        InputError: the key or an authority cannot be read.
    """
    jwk = header.jwk
    if not isinstance(jwk, EcJwk) or jwk.alg != header.alg:
        raise _refused("jwk", "none, or one without the token's alg", "an EC key with its alg")
    if jwk.x5c is UNNAMED or not 0 < len(jwk.x5c) <= _CHAIN:
        raise _refused("x5c", "no certificates", f"1 to {_CHAIN} certificates")
    leaf, *rest = (_der(text) for text in jwk.x5c)
    facts = verify_chain(leaf, rest, authorities, at=at, usage=Usage.DOCUMENT)
    key = PublicKey.from_jwk(jwk)
    if facts.public_key_der != key.der():
        raise _refused("x5c", "a certificate of another key", "the certificate of jwk")
    return key


def _der(text: str) -> bytes:
    try:
        return base64.b64decode(text.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("x5c", got=error, want="base64 DER") from error


def _refused(claim: str, got: str, expected: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="release",
            claim=f"token {claim}",
            got=got,
            expected=expected,
            rule="trustee spec §8",
            remedy="Get a token from an attestation service that is trusted here.",
        )
    )
