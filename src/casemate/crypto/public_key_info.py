"""SubjectPublicKeyInfo of strangers: what is looked at before the library reads it.

The library tests the parameters of Diffie-Hellman keys for being prime: two kilobytes take it half
a minute. And one signature by a huge RSA key, or on a curve that nobody uses, costs what a
hundred cost.
"""

from typing import Final

from casemate.crypto.der import Element, Tag
from casemate.errors import PeerError

_SPEC: Final = "RFC 3279 §2.3, RFC 8410"
_RSA: Final = "1.2.840.113549.1.1.1"
_EC: Final = "1.2.840.10045.2.1"
_ED25519: Final = "1.3.101.112"
_CURVES: Final = frozenset({"1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"})
_LARGEST_MODULUS: Final = 8192 // 8 + 1
_LARGEST_EXPONENT: Final = 5
"""Bytes, with the one that keeps the number positive."""


def require_usual(spki: bytes, where: str) -> None:
    """Refuse keys of other kinds than RSA, ECDSA and Ed25519, and of unusual sizes.

    RSA has at most 8192 bits and an exponent of 32, ECDSA one of P-256, P-384 and P-521.

    Raises:
        PeerError: it is such a key, or no SubjectPublicKeyInfo.
    """
    parts = Element.parse(spki, where).expect(Tag.SEQUENCE, where).children(where)
    if len(parts) != 2:
        raise _refused(where, f"{len(parts)} parts")
    algorithm = parts[0].expect(Tag.SEQUENCE, where).children(where)
    kind = algorithm[0].oid(where) if algorithm else "none"
    if kind == _RSA:
        _require_usual_rsa(parts[1], where)
    elif kind == _EC:
        curve = algorithm[1].oid(where) if len(algorithm) == 2 else "none"
        if curve not in _CURVES:
            raise _refused(where, f"curve {curve}")
    elif kind != _ED25519:
        raise _refused(where, f"algorithm {kind}")


def _require_usual_rsa(key: Element, where: str) -> None:
    content = key.expect(Tag.BIT_STRING, where).content
    numbers = Element.parse(content[1:], where).expect(Tag.SEQUENCE, where).children(where)
    sizes = [len(number.content) for number in numbers]
    if len(sizes) != 2 or sizes[0] > _LARGEST_MODULUS or sizes[1] > _LARGEST_EXPONENT:
        raise _refused(where, f"RSA, numbers of {sizes} bytes")


def _refused(where: str, got: str) -> PeerError:
    want = "RSA to 8192 bits, ECDSA on P-256, P-384 or P-521, Ed25519"
    return PeerError(where, got=got, want=want, spec=_SPEC)
