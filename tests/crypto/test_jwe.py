"""JWE as Trustee seals secrets: known answers of trustee spec §5, and recorded responses."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe as oracle
from joserfc.jwk import ECKey

from casemate.crypto import jwe
from casemate.crypto.jwk import KemTeeKey
from casemate.crypto.keys import CURVES, Kind, PrivateKey
from casemate.errors import CasemateError, InputError, PeerError, VerificationError
from tests.vectors import vector

_P256_PROTECTED = (
    "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0yNTYiLCJrdHkiOi"
    "JFQyIsIngiOiJYc3ZrMGFZekNrVEk5LS1WSFV2eFplYkd0eUh2cmFtRi0wRm1HOGJuX1d3IiwieSI6Imh6UmtERW1Z"
    "XzM0M1N3Yk9HbVNpN05ncXNEWTRUN2c5bW5teEo2SjlVREkifX0"
)
_P521_PROTECTED = (
    "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC01MjEiLCJrdHkiOi"
    "JFQyIsIngiOiJBYWM5TlNSRDNpa1pYZGtkYW1TMWxaUjV0U3B1V3hJOW1ybmxyWG9STFhxTjBhMF9Ga282U0RJRkhh"
    "YTlGcldmNGh1dXRKQ0dMRExxQmFXUm5TN2VONjE5IiwieSI6IkFUNmJBN2w5LW1MZDJaZWZoc2JLdUJUeThWVl9xQ3"
    "FkQXhmUy1Lc2ZvMVhPN0M0dDFNLU54WFd3TFZyTzBkN0R4d3p4QmNtOGs2V1FRbDlZaktIdWhzRGwifX0"
)


def scalar(curve: str, value: int) -> PrivateKey:
    return PrivateKey(ec.derive_private_key(value, CURVES[curve]))


def counted() -> Any:
    """Give bytes 00, 01, 02 … afresh for each request, as the known answers want them."""
    return lambda size: bytes(range(size))


@pytest.mark.parametrize(
    ("curve", "protected", "encrypted_key", "tag"),
    [
        (
            "P-256",
            _P256_PROTECTED,
            "QjHcBtn6QiTzUDZIdz15s_9xDBg6vqXHfgjse6a-93ofjUCRJXh90A",
            "PhjEAA8yWO42M_1tDe30qg",
        ),
        (
            "P-521",
            _P521_PROTECTED,
            "FRqMLvG5bRphaoydO5wmtIcI9EvUf120FLG18ZEJSRkqiqbrS2XKvA",
            "4zAebA4wlbe5BpmM1VsGRg",
        ),
    ],
)
def test_sealing_gives_the_known_answer(
    curve: str, protected: str, encrypted_key: str, tag: str
) -> None:
    sealed = jwe.encrypt(
        b"shhhhhhh",
        jwe.recipient(scalar(curve, 2).public),
        random=counted(),
        ephemeral=scalar(curve, 3),
    )
    assert json.loads(sealed) == {
        "protected": protected,
        "encrypted_key": encrypted_key,
        "iv": "AAECAwQFBgcICQoL",
        "ciphertext": "NGq-c62NqnM",
        "tag": tag,
    }
    assert jwe.decrypt(sealed, scalar(curve, 2)).reveal() == b"shhhhhhh"


def _recorded() -> Iterator[dict[str, Any]]:
    document = json.loads(vector("guest", "kbs-response-jwe.json").read_text())
    for case in document["cases"]:
        yield case | {"private": document["tee_private_keys"][case["key"]]}


def _private(jwk: dict[str, str]) -> PrivateKey:
    if jwk["kty"] == "EC":
        d = int.from_bytes(base64.urlsafe_b64decode(jwk["d"] + "=="), "big")
        return scalar(jwk["crv"], d)
    from joserfc.jwk import RSAKey

    return PrivateKey.from_pem(RSAKey.import_key(jwk).as_pem(private=True))  # type: ignore[arg-type]


def test_recorded_responses_open_or_are_refused_as_recorded() -> None:
    seen = set()
    for case in _recorded():
        sealed, key = json.dumps(case["response"]).encode(), _private(case["private"])
        if case["expect"] == "ok":
            assert jwe.decrypt(sealed, key).reveal() == base64.b64decode(case["plaintext_b64"])
        else:
            with pytest.raises((PeerError, VerificationError)):
                jwe.decrypt(sealed, key)
        seen.add(case["expect"])
    assert seen == {"ok", "error"}


@pytest.mark.parametrize("kind", [Kind.P256, Kind.P521, Kind.RSA])
def test_what_is_sealed_opens_only_with_the_same_key(kind: Kind) -> None:
    ours, other = PrivateKey.generate(kind, bits=2048), PrivateKey.generate(kind, bits=2048)
    sealed = jwe.encrypt(b"secret", jwe.recipient(ours.public))
    assert jwe.decrypt(sealed, ours).reveal() == b"secret"
    with pytest.raises(VerificationError, match="sealed secret"):
        jwe.decrypt(sealed, other)


def test_an_independent_library_opens_what_we_seal() -> None:
    key = PrivateKey.generate(Kind.P256)
    sealed = json.loads(jwe.encrypt(b"secret", jwe.recipient(key.public)))
    opened = oracle.decrypt_json(
        sealed,
        ECKey.import_key(key.pem().reveal()),
        algorithms=["ECDH-ES+A256KW", "A256GCM"],
    )
    assert opened.plaintext == b"secret"


@pytest.mark.parametrize("kind", [Kind.P384, Kind.ED25519])
def test_other_kinds_are_no_recipients(kind: Kind) -> None:
    with pytest.raises(InputError):
        jwe.recipient(PrivateKey.generate(kind).public)


def test_a_kem_key_is_refused() -> None:
    with pytest.raises(InputError, match="tee-pubkey"):
        jwe.encrypt(b"x", KemTeeKey(alg="ML-KEM-768+A192KW", pub="AA"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_raise_only_our_error(data: bytes) -> None:
    with pytest.raises(CasemateError):
        jwe.decrypt(data, _KEY)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["protected", "encrypted_key", "iv", "ciphertext", "tag"]), st.text())
def test_any_member_replaced_raises_only_our_error(member: str, text: str) -> None:
    sealed = json.loads(_SEALED)
    if sealed[member] == text:
        return
    with pytest.raises(CasemateError):
        jwe.decrypt(json.dumps(sealed | {member: text}).encode(), _KEY)


_KEY = PrivateKey.generate(Kind.P256)
_SEALED = jwe.encrypt(b"secret", jwe.recipient(_KEY.public))
