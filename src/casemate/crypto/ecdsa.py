"""ECDSA signatures verified; over P-384 by AWS-LC, where it is installed, in half of the time.

Half of what verifying evidence of SNP or an NVIDIA device costs is one signature over P-384
(docs/decisions/0011-p384.md). The guest, which verifies no evidence, goes without that library.
Both give the same answers: tests/crypto/test_ecdsa.py.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_P384: Final = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200" + "04")
"""SubjectPublicKeyInfo up to the coordinates of a point on P-384, uncompressed (RFC 5480 2.2)."""
_P384_SIZE: Final = len(_P384) + 2 * 48
_DIGESTS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}


def verify(
    key: ec.EllipticCurvePublicKey,
    spki: bytes,
    signature: bytes,
    message: bytes,
    digest: hashes.HashAlgorithm,
) -> None:
    """Verify a signature.

    Args:
        key: the public key.
        spki: the same key, SubjectPublicKeyInfo DER.
        signature: DER of both numbers.
        message: what was signed.
        digest: with what it was hashed.

    Raises:
        InvalidSignature: it is not by this key over this message.
    """
    quick = _quick_key(spki)
    if quick is None or digest.name not in _DIGESTS:
        key.verify(signature, message, ec.ECDSA(digest))
        return
    if not quick.verify(_DIGESTS[digest.name](message).digest(), signature):
        raise InvalidSignature


@lru_cache(maxsize=256)
def _quick_key(spki: bytes) -> Any | None:
    """Give AWS-LC's key; None where the other library is to do it.

    Only the one form that leaves no choice of how to read it, so that both have the same key. What
    is no point of the curve is refused where keys are read, before anybody comes here.
    """
    if len(spki) != _P384_SIZE or not spki.startswith(_P384):
        return None
    library = _library()
    return None if library is None else library.EC.new_key_from_der_data(spki)


@cache
def _library() -> Any | None:
    try:
        import awscrt.crypto
    except ImportError:
        return None
    return awscrt.crypto
