"""Keys: every kind goes through PEM and JWK unchanged; signatures bind key, message, algorithm."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from casemate.crypto import base64url
from casemate.crypto.jwk import EcJwk, Jwk, OkpJwk, RsaJwk
from casemate.crypto.keys import Kind, PrivateKey, PublicKey
from casemate.errors import CasemateError, InputError, VerificationError

KEYS = {kind: PrivateKey.generate(kind, bits=2048) for kind in Kind}


@pytest.mark.parametrize("kind", Kind)
def test_a_key_survives_pem_der_and_jwk(kind: Kind) -> None:
    key = KEYS[kind]
    again = PrivateKey.from_pem(key.pem())
    assert again.public == key.public
    assert PublicKey.from_pem(key.public.pem()) == key.public
    assert PublicKey.from_der(key.public.der()) == key.public
    text = msgspec.json.encode(key.public.jwk(alg=key.algorithm))
    parsed: Jwk = msgspec.json.decode(text, type=Jwk)
    assert PublicKey.from_jwk(parsed) == key.public
    assert parsed.alg == key.algorithm


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("form", ["jose", "der"])
def test_a_signature_binds_key_and_message(kind: Kind, form: str) -> None:
    key, other = KEYS[kind], PrivateKey.generate(kind, bits=2048)
    sign = key.sign if form == "jose" else key.sign_der
    signature = sign(b"message")

    def verify(public: PublicKey, message: bytes) -> None:
        if form == "jose":
            public.verify(signature, message, key.algorithm)
        else:
            public.verify_der(signature, message)

    verify(key.public, b"message")
    with pytest.raises(VerificationError):
        verify(key.public, b"massage")
    with pytest.raises(VerificationError):
        verify(other.public, b"message")


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("algorithm", ["none", "HS256", "", "ES256K", "RS1", "XX256"])
def test_an_unknown_algorithm_is_refused(kind: Kind, algorithm: str) -> None:
    with pytest.raises(InputError):
        KEYS[kind].public.verify(b"x" * 64, b"message", algorithm)


def test_an_algorithm_of_another_curve_is_refused() -> None:
    with pytest.raises(InputError):
        KEYS[Kind.P256].sign(b"message", "ES384")
    with pytest.raises(InputError):
        KEYS[Kind.RSA].sign(b"message", "ES256")


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "PS384"])
def test_rsa_schemes_verify(algorithm: str) -> None:
    key = KEYS[Kind.RSA]
    key.public.verify(key.sign(b"m", algorithm), b"m", algorithm)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(("kind", "oracle"), [(Kind.P256, ECKey), (Kind.ED25519, OKPKey)])
def test_an_independent_library_verifies_our_signature(
    kind: Kind, oracle: type[ECKey] | type[OKPKey]
) -> None:
    key = KEYS[kind]
    head = base64url.encode(b'{"alg":"' + key.algorithm.encode() + b'"}')
    body = base64url.encode(b"payload")
    signature = base64url.encode(key.sign(f"{head}.{body}".encode()))
    jws.deserialize_compact(
        f"{head}.{body}.{signature}",
        oracle.import_key(key.public.pem()),
        algorithms=[key.algorithm],
    )


def test_a_private_key_shows_nothing() -> None:
    assert repr(KEYS[Kind.P256]) == "PrivateKey(P-256)"
    assert "PRIVATE" not in str(KEYS[Kind.P256].pem())


def test_a_small_rsa_key_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    with pytest.raises(InputError, match="2048"):
        PrivateKey(rsa.generate_private_key(65537, 1024))


@pytest.mark.parametrize(
    "jwk",
    [
        EcJwk(crv="P-256", x="AA", y="AA"),
        EcJwk(crv="P-256", x=base64url.encode(b"\1" * 32), y=base64url.encode(b"\1" * 32)),
        EcJwk(crv="secp256k1", x=base64url.encode(b"\1" * 32), y=base64url.encode(b"\1" * 32)),
        RsaJwk(n=base64url.encode(b"\xff" * 128), e="AQAB"),
        RsaJwk(n=base64url.encode(b"\xff" * 256), e="AA"),
        OkpJwk(crv="X25519", x=base64url.encode(b"\1" * 32)),
        OkpJwk(crv="Ed25519", x="AA"),
    ],
)
def test_a_malformed_jwk_is_refused(jwk: Jwk) -> None:
    with pytest.raises(InputError):
        PublicKey.from_jwk(jwk)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_as_a_key_raise_only_our_error(data: bytes) -> None:
    for load in (PublicKey.from_pem, PublicKey.from_der, PrivateKey.from_pem):
        with pytest.raises(CasemateError):
            load(data)


@settings(max_examples=100)
@given(st.binary())
def test_base64url_round_trip(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@pytest.mark.parametrize("text", ["AA==", "A", "AB", "A+", "é", "A A"])
def test_loose_base64url_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        base64url.decode(text)
