"""Secrets sealed to a TEE's key: JWE, flattened JSON form (RFC 7516 §7.2.2), as Trustee writes it.

The header's bytes are part of the contract: upstream clients parse the protected header and write
it again to rebuild the authenticated data, so its members stand in the order alg, enc, then the
rest sorted, and epk's members sorted (trustee spec §4).
"""

import os
from collections.abc import Callable
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from casemate.crypto import base64url
from casemate.crypto.algorithms import CURVES, coordinate_size
from casemate.crypto.jwk import EcJwk, EcTeeKey, RsaJwk, RsaTeeKey, TeePublicKey
from casemate.crypto.keys import Kind, PrivateKey, PublicKey
from casemate.errors import MALFORMED_JSON, InputError, PeerError, Refusal, VerificationError
from casemate.secret import Secret

ECDH_ES_A256KW: Final = "ECDH-ES+A256KW"
RSA_OAEP_256: Final = "RSA-OAEP-256"
RSA1_5: Final = "RSA1_5"
A256GCM: Final = "A256GCM"

_LARGEST: Final = 64 << 20
_LARGEST_HEADER: Final = 4096
_CURVES: Final = frozenset({"P-256", "P-521"})
_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

Random = Callable[[int], bytes]


class _Flattened(msgspec.Struct, frozen=True):
    protected: str
    encrypted_key: str
    iv: str
    ciphertext: str
    tag: str


class _Header(msgspec.Struct, frozen=True):
    alg: str
    enc: str
    epk: EcJwk | None = None


def encrypt(
    plaintext: bytes | Secret,
    recipient: TeePublicKey,
    *,
    random: Random = os.urandom,
    ephemeral: PrivateKey | None = None,
) -> bytes:
    """Seal ``plaintext`` to ``recipient``; gives the JSON text.

    ``random`` makes the content key (32 bytes) and then the IV (12 bytes); ``ephemeral`` is a
    fresh key on the recipient's curve unless a test gives one.

    Raises:
        InputError: the key is not one of the kinds of spec §3.5, or is malformed.
    """
    cek = random(32)
    iv = random(12)
    header, wrapped = _wrap(cek, recipient, ephemeral)
    protected = base64url.encode(header)
    data = plaintext.reveal() if isinstance(plaintext, Secret) else plaintext
    sealed = AESGCM(cek).encrypt(iv, data, protected.encode("ascii"))
    return msgspec.json.encode(
        _Flattened(
            protected=protected,
            encrypted_key=base64url.encode(wrapped),
            iv=base64url.encode(iv),
            ciphertext=base64url.encode(sealed[:-16]),
            tag=base64url.encode(sealed[-16:]),
        )
    )


def decrypt(data: bytes, key: PrivateKey) -> Secret:
    """Open what ``encrypt``, or any JWE library, sealed to ``key`` (P-256, P-521 or RSA).

    Raises:
        PeerError: the text is not a JWE of spec §4.
        VerificationError: it is sealed to another key, or was changed on the way.
    """
    try:
        sealed = _parse(data)
        header = _parse_header(sealed.protected)
        parts = [
            base64url.decode(part, where="jwe")
            for part in (sealed.encrypted_key, sealed.iv, sealed.ciphertext, sealed.tag)
        ]
    except InputError as error:
        raise PeerError("jwe", got=error, want="a flattened JWE", spec="RFC 7516 §7.2.2") from error
    wrapped, iv, ciphertext, tag = parts
    if len(iv) != 12 or len(tag) != 16:
        raise PeerError("jwe", got=f"iv {len(iv)}, tag {len(tag)} bytes", want="12 and 16")
    try:
        cek = _unwrap(wrapped, header, key)
        opened = AESGCM(cek).decrypt(iv, ciphertext + tag, sealed.protected.encode("ascii"))
    except (InvalidUnwrap, InvalidTag, ValueError) as error:
        raise _not_ours(type(error).__name__) from error
    return Secret(opened)


def recipient(key: PublicKey) -> TeePublicKey:
    """Describe ``key`` as the TEE key of a handshake: P-256, P-521 or RSA.

    Raises:
        InputError: nothing is sealed to this kind of key.
    """
    match key.jwk():
        case EcJwk(crv="P-256" | "P-521" as crv, x=x, y=y):
            return EcTeeKey(crv=crv, alg=ECDH_ES_A256KW, x=x, y=y)
        case RsaJwk(n=n, e=e):
            return RsaTeeKey(alg=RSA_OAEP_256, n=n, e=e)
        case _:
            raise InputError("tee key", got=key.kind, want="P-256, P-521 or RSA")


def _not_ours(got: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="release",
            claim="sealed secret",
            got=got,
            expected="a JWE sealed to this TEE's key",
            rule="trustee spec §4",
            remedy="Attest again with the key that will open the secret.",
        )
    )


def _parse(data: bytes) -> _Flattened:
    if len(data) > _LARGEST:
        raise InputError("jwe", got=f"{len(data)} bytes", want="at most 64 MiB")
    try:
        return msgspec.json.decode(data, type=_Flattened)
    except MALFORMED_JSON as error:
        raise InputError("jwe", got=error, want="five text members") from error


def _parse_header(protected: str) -> _Header:
    if len(protected) > _LARGEST_HEADER:
        raise InputError("jwe.protected", got=f"{len(protected)} bytes", want="at most 4096")
    try:
        header = msgspec.json.decode(
            base64url.decode(protected, where="jwe.protected"), type=_Header
        )
    except MALFORMED_JSON as error:
        raise InputError("jwe.protected", got=error, want="alg, enc, epk") from error
    if header.enc != A256GCM:
        raise InputError("jwe.enc", got=header.enc, want=A256GCM, spec="trustee spec §4")
    return header


def _wrap(cek: bytes, recipient: TeePublicKey, ephemeral: PrivateKey | None) -> tuple[bytes, bytes]:
    match recipient:
        case EcTeeKey(alg="ECDH-ES+A256KW", crv="P-256" | "P-521"):
            return _wrap_ec(cek, recipient, ephemeral)
        case RsaTeeKey(alg="RSA-OAEP-256" | "RSA1_5" as alg):
            key = PublicKey.from_jwk(RsaJwk(n=recipient.n, e=recipient.e)).native
            assert isinstance(key, rsa.RSAPublicKey)
            scheme = _OAEP if alg == RSA_OAEP_256 else padding.PKCS1v15()
            return _header({"alg": alg, "enc": A256GCM}), key.encrypt(cek, scheme)
        case _:
            raise InputError(
                "tee-pubkey",
                got=f"{recipient.alg}, {getattr(recipient, 'crv', 'RSA')}",
                want="EC P-256 or P-521 with ECDH-ES+A256KW, or RSA with RSA-OAEP-256",
                spec="trustee spec §3.5",
            )


def _wrap_ec(cek: bytes, recipient: EcTeeKey, ephemeral: PrivateKey | None) -> tuple[bytes, bytes]:
    jwk = EcJwk(crv=recipient.crv, x=recipient.x, y=recipient.y)
    public = PublicKey.from_jwk(jwk).native
    assert isinstance(public, ec.EllipticCurvePublicKey)
    fresh = PrivateKey.generate(Kind(recipient.crv)) if ephemeral is None else ephemeral
    assert isinstance(fresh.native, ec.EllipticCurvePrivateKey)
    kek = _agree(fresh.native, public)
    epk = fresh.public.jwk()
    assert isinstance(epk, EcJwk)
    sorted_epk = {"crv": epk.crv, "kty": "EC", "x": epk.x, "y": epk.y}
    header = _header({"alg": ECDH_ES_A256KW, "enc": A256GCM, "epk": sorted_epk})
    return header, aes_key_wrap(kek, cek)


def _header(members: dict[str, Any]) -> bytes:
    return msgspec.json.encode(members)


def _agree(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
    """Concat KDF (RFC 7518 §4.6.2), one round of SHA-256: apu and apv empty, 256 bits."""
    shared = private.exchange(ec.ECDH(), public)
    assert len(shared) == coordinate_size(public.curve)
    name = ECDH_ES_A256KW.encode("ascii")
    kdf = hashes.Hash(hashes.SHA256())
    kdf.update(b"\0\0\0\1" + shared)
    kdf.update(len(name).to_bytes(4, "big") + name)
    kdf.update(bytes(8) + (256).to_bytes(4, "big"))
    return kdf.finalize()


def _unwrap(wrapped: bytes, header: _Header, key: PrivateKey) -> bytes:
    match header, key.native:
        case _Header(alg="ECDH-ES+A256KW", epk=EcJwk() as epk), ec.EllipticCurvePrivateKey() as own:
            return aes_key_unwrap(_agree(own, _ephemeral(epk, own.curve)), wrapped)
        case _Header(alg="RSA-OAEP-256"), rsa.RSAPrivateKey() as own_rsa:
            return own_rsa.decrypt(wrapped, _OAEP)
        case _:
            raise PeerError("jwe.alg", got=header.alg, want=f"one for a {key.kind} key")


def _ephemeral(epk: EcJwk, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    want = f"a key on the recipient's curve {curve.name}"
    if epk.crv not in _CURVES or CURVES[epk.crv].name != curve.name:
        raise PeerError("jwe.epk", got=epk.crv, want=want)
    try:
        public = PublicKey.from_jwk(epk).native
    except InputError as error:
        raise PeerError("jwe.epk", got=error, want=want) from error
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return public
