"""How hard a certificate's key is to break, in bits (NIST SP 800-57 part 1, table 2)."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from casemate.crypto.certificate import Certificate

_RSA: Final = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))


def security_bits(certificate: Certificate) -> int:
    """Bits of security of the key: half a curve's size, by table for RSA; 0 for other kinds.

    OpenSSL's security level 2, which IBM's tools ask for, wants 112.

    Raises:
        PeerError: the key is unreadable.
    """
    match certificate.key:
        case ec.EllipticCurvePublicKey() as curve:
            return curve.key_size // 2
        case rsa.RSAPublicKey() as key:
            return next((bits for size, bits in _RSA if key.key_size >= size), 0)
        case _:
            return 0
