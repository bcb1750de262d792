"""COSE_Sign1 with ECDSA (RFC 9052, 9053): read, verified, made; and the keys in its forms.

What is verified is the protected header as it came, byte for byte. The algorithm counts only from
there, must be the one of the key's own curve, and no header may ask for what nobody understands.
"""

from typing import Final, Self

import msgspec

from casemate.crypto import base64url, cbor
from casemate.crypto.algorithms import Kind, bad_signature
from casemate.crypto.jwk import EcJwk
from casemate.crypto.keys import PrivateKey, PublicKey
from casemate.errors import InputError, PeerError

ALGORITHMS: Final = {-7: "ES256", -35: "ES384", -36: "ES512"}
"""COSE numbers of the signature algorithms that are taken → JOSE names."""

_SIGN1: Final = 18  # tag
_ALG, _CRIT = 1, 2
_KTY, _EC2, _CRV, _X, _Y = 1, 2, -1, -2, -3
_CURVES: Final = {1: Kind.P256, 2: Kind.P384, 3: Kind.P521}
_ALGORITHM_OF: Final = {Kind.P256: "ES256", Kind.P384: "ES384", Kind.P521: "ES512"}
_SIZES: Final = {Kind.P256: 32, Kind.P384: 48, Kind.P521: 66}
_UNCOMPRESSED: Final = b"\x04"
_SPEC: Final = "RFC 9052 section 4.2"
_KEY_SPEC: Final = "RFC 9053 section 7.1"


class SignedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A COSE_Sign1 taken apart and not yet verified."""

    protected: bytes
    """The protected header as it came."""
    algorithm: str
    """ES256, ES384 or ES512, out of the protected header."""
    payload: bytes
    signature: bytes
    """``r || s``."""

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Self:
        """Read a COSE_Sign1 with its tag (18) and its payload inside.

        Raises:
            PeerError: another form, no algorithm in the protected header, one that is not taken,
                a critical header, or a header in both places.
        """
        item = cbor.decode(raw, where)
        match item:
            case cbor.Tag(
                18, (bytes(protected), dict(unprotected), bytes(payload), bytes(signature))
            ):
                header = cbor.decode(protected, f"{where}: protected header") if protected else {}
            case _:
                raise _broken(where, "another form", "COSE_Sign1, tag 18, payload inside")
        if not isinstance(header, dict):
            raise _broken(where, "a protected header that is no map", "a map")
        if header.keys() & unprotected.keys():
            raise _broken(where, "a header in both places", "each in one place")
        if _CRIT in header or _CRIT in unprotected:
            raise _broken(where, "a critical header", "none")
        number = header.get(_ALG)
        if type(number) is not int or number not in ALGORITHMS:
            known = ", ".join(ALGORITHMS.values())
            raise _broken(where, f"algorithm {number!r}", f"{known}, protected")
        return cls(
            protected=protected,
            algorithm=ALGORITHMS[number],
            payload=payload,
            signature=signature,
        )

    def verify(self, key: PublicKey) -> None:
        """Verify the signature; external data is empty.

        Raises:
            VerificationError: the key has another curve than the algorithm's, or did not sign this.
        """
        if _ALGORITHM_OF.get(key.kind) != self.algorithm:
            raise bad_signature(self.algorithm, f"one of a {key.kind} key")
        key.verify(self.signature, _to_be_signed(self.protected, self.payload), self.algorithm)


def sign(payload: bytes, key: PrivateKey) -> bytes:
    """Make a COSE_Sign1 (tag 18) with the algorithm of the key's curve.

    Raises:
        InputError: the key is on no curve that COSE_Sign1 uses here.
    """
    names = {name: number for number, name in ALGORITHMS.items()}
    if key.kind not in _ALGORITHM_OF:
        raise InputError("COSE key", got=key.kind, want=", ".join(_ALGORITHM_OF))
    protected = cbor.encode({_ALG: names[_ALGORITHM_OF[key.kind]]})
    signature = key.sign(_to_be_signed(protected, payload), _ALGORITHM_OF[key.kind])
    return cbor.encode(cbor.Tag(_SIGN1, (protected, {}, payload, signature)))


def read_key(raw: bytes, where: str) -> PublicKey:
    """Read a COSE_Key: EC2 on P-256, P-384 or P-521, both coordinates whole.

    Raises:
        PeerError: another form, kind or curve, or a point that is not on it.
    """
    found = cbor.decode(raw, where)
    members = found if isinstance(found, dict) else {}
    kty, crv, x, y = (members.get(label) for label in (_KTY, _CRV, _X, _Y))
    curve = _CURVES.get(crv) if type(crv) is int else None
    if type(kty) is not int or kty != _EC2 or curve is None:
        raise PeerError(where, got=f"type {kty!r}, curve {crv!r}", want="EC2", spec=_KEY_SPEC)
    if not isinstance(x, bytes) or not isinstance(y, bytes):
        raise PeerError(where, got="no two coordinates", want="x and y", spec=_KEY_SPEC)
    return _on_curve(curve, x, y, where)


def read_point(raw: bytes, kind: Kind, where: str) -> PublicKey:
    """Read an uncompressed point, ``04 || x || y`` (SEC 1 section 2.3.3).

    Raises:
        PeerError: another size or form, or a point that is not on the curve.
    """
    size = _SIZES[kind]
    if len(raw) != 1 + 2 * size or raw[:1] != _UNCOMPRESSED:
        raise PeerError(
            where, got=f"{len(raw)} bytes", want=f"04 and a {kind} point, {1 + 2 * size} bytes"
        )
    return _on_curve(kind, raw[1 : 1 + size], raw[1 + size :], where)


def encode_key(key: PublicKey) -> bytes:
    """Write a COSE_Key; InputError when the key is on no curve of it."""
    x, y = _coordinates(key)
    number = next(number for number, kind in _CURVES.items() if kind is key.kind)
    return cbor.encode({_KTY: _EC2, _CRV: number, _X: x, _Y: y})


def encode_point(key: PublicKey) -> bytes:
    """Write ``04 || x || y``; InputError when the key is on no NIST curve."""
    x, y = _coordinates(key)
    return _UNCOMPRESSED + x + y


def _coordinates(key: PublicKey) -> tuple[bytes, bytes]:
    jwk = key.jwk()
    if not isinstance(jwk, EcJwk):
        raise InputError("COSE key", got=key.kind, want=", ".join(_SIZES))
    return base64url.decode(jwk.x), base64url.decode(jwk.y)


def _on_curve(kind: Kind, x: bytes, y: bytes, where: str) -> PublicKey:
    try:
        return PublicKey.from_jwk(
            EcJwk(crv=kind.value, x=base64url.encode(x), y=base64url.encode(y))
        )
    except InputError as error:
        raise PeerError(where, got=error.got, want=error.want, spec=_KEY_SPEC) from error


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 section 4.4, external data empty."""
    return cbor.encode(("Signature1", protected, b"", payload))


def _broken(where: str, got: str, want: str) -> PeerError:
    return PeerError(where, got=got, want=want, spec=_SPEC)
