"""Keys that a stranger may send: of the kinds we use, in usual sizes; others reach no library."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from casemate.crypto.certificate import load_key
from casemate.crypto.der_encoding import bits, element, integer, oid, sequence
from casemate.crypto.keys import PublicKey
from casemate.crypto.public_key_info import require_usual
from casemate.errors import InputError, PeerError

NULL = element(5)
MERSENNE = (1 << 9689) - 1
"""A prime. The library, left alone with it, is busy for half a minute."""


def rsa_key(modulus: int, exponent: int = 65537) -> bytes:
    numbers = sequence(integer(modulus), integer(exponent))
    return sequence(sequence(oid("1.2.840.113549.1.1.1"), NULL), bits(numbers))


UNUSUAL = {
    "Diffie-Hellman": sequence(
        sequence(oid("1.2.840.113549.1.3.1"), sequence(integer(MERSENNE), integer(2))),
        bits(integer(2)),
    ),
    "X9.42": sequence(
        sequence(oid("1.2.840.10046.2.1"), sequence(integer(MERSENNE), integer(2), integer(3))),
        bits(integer(2)),
    ),
    "RSA of 16384 bits": rsa_key(1 << 16383 | 1),
    "large exponent": rsa_key(1 << 3071 | 1, 1 << 40 | 1),
    "three numbers": sequence(
        sequence(oid("1.2.840.113549.1.1.1"), NULL),
        bits(sequence(integer(1), integer(2), integer(3))),
    ),
    "brainpool": ec.generate_private_key(ec.BrainpoolP512R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "curve in numbers": sequence(
        sequence(oid("1.2.840.10045.2.1"), sequence(integer(1))), bits(b"\4")
    ),
    "no curve": sequence(sequence(oid("1.2.840.10045.2.1")), bits(b"\4")),
    "Ed448": ed448.Ed448PrivateKey.generate()
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "no algorithm": sequence(sequence(), bits(b"")),
    "one part": sequence(sequence(oid("1.3.101.112"))),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_key_is_refused_before_the_library_reads_it(name: str) -> None:
    with pytest.raises(PeerError):
        require_usual(UNUSUAL[name], "key")
    with pytest.raises(PeerError):
        load_key(UNUSUAL[name])
    with pytest.raises(InputError):
        PublicKey.from_der(UNUSUAL[name])


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        *(ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["ed25519", "p256", "p384", "p521", "rsa"],
)
def test_usual_key_is_read(key: ed25519.Ed25519PrivateKey) -> None:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    require_usual(spki, "key")
    assert load_key(spki).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == spki


def test_rsa_of_8192_bits_is_the_largest() -> None:
    require_usual(rsa_key(1 << 8191 | 1, 0xFFFFFFFF), "key")


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(raw: bytes) -> None:
    with pytest.raises(PeerError):
        require_usual(raw, "key")
