"""OpenPGP, as much as signed container images need (RFC 4880): keyrings and signed messages.

One-pass signed messages with one version 4 signature over binary data; RSA, ECDSA and Ed25519
keys; SHA-256 and better. The keyring is the verifier's own: every key in it that is not revoked
counts, and certifications between keys are not followed.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils

from casemate.crypto.keys import CURVES, Kind, PublicKey
from casemate.errors import InputError, Refusal, VerificationError

LARGEST: Final = 1 << 20
"""Largest keyring or message, packed or unpacked, in bytes."""

_SPEC: Final = "RFC 4880"
_SIGNATURE, _ONE_PASS, _KEY, _COMPRESSED, _LITERAL, _SUBKEY = 2, 4, 6, 8, 11, 14
_IGNORED: Final = frozenset({10, 12, 13, 17})  # marker, trust, user ids
_BINARY: Final = 0
_REVOKES_KEY, _REVOKES_SUBKEY = 0x20, 0x28
_HASHES: Final = {8: "sha256", 9: "sha384", 10: "sha512"}
_RSA, _ECDSA, _EDDSA = frozenset({1, 3}), 19, 22
_CURVE_OIDS: Final = {
    bytes.fromhex("2a8648ce3d030107"): "P-256",
    bytes.fromhex("2b81040022"): "P-384",
    bytes.fromhex("2b81040023"): "P-521",
}
_ED25519_OID: Final = bytes.fromhex("2b06010401da470f01")
_CREATED, _EXPIRES, _ISSUER, _FINGERPRINT = 2, 3, 16, 33
_KNOWN_SUBPACKETS: Final = frozenset({_CREATED, _EXPIRES, _ISSUER, 20, 27, 28, _FINGERPRINT})
_BEGIN: Final = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END: Final = "-----END PGP PUBLIC KEY BLOCK-----"


class _Packet(msgspec.Struct, frozen=True):
    tag: int
    body: bytes


class _Signature(msgspec.Struct, frozen=True):
    algorithm: int
    hash: int
    hashed: bytes
    """The part of the packet that is signed."""
    numbers: tuple[bytes, ...]
    created: int
    lifetime: int


def parse_keyring(raw: bytes) -> tuple[PublicKey, ...]:
    """Read the public keys of a keyring, binary or armored; keys of other kinds are left out.

    Raises:
        InputError: not a keyring, larger than 1 MiB, or without a key we can use.
    """
    owners: list[list[PublicKey | None]] = []
    for packet in _packets(_dearmor(raw)):
        kind = packet.body[1] if packet.tag == _SIGNATURE and len(packet.body) > 1 else 0
        if packet.tag == _KEY:
            owners.append([_key(packet.body)])
        elif owners and packet.tag == _SUBKEY:
            owners[-1].append(_key(packet.body))
        elif owners and kind == _REVOKES_KEY:
            owners[-1] = []
        elif owners and kind == _REVOKES_SUBKEY and owners[-1]:
            owners[-1][-1] = None
    keys = [key for owner in owners for key in owner if key]
    if not keys:
        raise _wrong("keyring", "no usable key", "RSA, ECDSA or Ed25519 public keys")
    return tuple(keys)


def open_message(raw: bytes, keys: Sequence[PublicKey], *, now: float) -> bytes:
    """Verify a signed message; gives the signed content.

    Args:
        raw: the message, perhaps compressed.
        keys: any of these may have signed.
        now: seconds since the Unix epoch; an expired signature does not count.

    Raises:
        InputError: not a signed message of the one form we read.
        VerificationError: no key of ``keys`` made the signature, or it has expired.
    """
    packets = [p for p in _packets(raw) if p.tag not in _IGNORED]
    if len(packets) == 1 and packets[0].tag == _COMPRESSED:
        packets = list(_packets(_decompress(packets[0].body)))
    if [packet.tag for packet in packets] != [_ONE_PASS, _LITERAL, _SIGNATURE]:
        raise _wrong("message", "something else", "exactly one one-pass signature")
    content, signature = _literal(packets[1].body), _signature(packets[2].body)
    if signature.lifetime and signature.created + signature.lifetime < now:
        raise _refused("an expired signature", "one that is valid now")
    if not any(_verifies(signature, content, key) for key in keys):
        raise _refused("a signature by no key of the keyring", "one by a key of the keyring")
    return content


def _verifies(signature: _Signature, content: bytes, key: PublicKey) -> bool:
    length = len(signature.hashed).to_bytes(4, "big")
    message = content + signature.hashed + b"\x04\xff" + length
    name = _HASHES[signature.hash]
    try:
        match key.kind:
            case Kind.RSA if signature.algorithm in _RSA:
                (number,) = signature.numbers
                key.verify_der(_padded(number, (_bits(key) + 7) // 8), message, name)
            case Kind.ED25519 if signature.algorithm == _EDDSA:
                r, s = signature.numbers
                digest = hashlib.new(name, message).digest()
                key.verify_der(_padded(r, 32) + _padded(s, 32), digest)
            case Kind.P256 | Kind.P384 | Kind.P521 if signature.algorithm == _ECDSA:
                first, second = (int.from_bytes(number, "big") for number in signature.numbers)
                key.verify_der(utils.encode_dss_signature(first, second), message, name)
            case _:
                return False
    except (VerificationError, ValueError):
        return False
    return True


def _bits(key: PublicKey) -> int:
    native = key.native
    assert isinstance(native, rsa.RSAPublicKey)
    return native.key_size


def _padded(number: bytes, size: int) -> bytes:
    return number.rjust(size, b"\0")


def _packets(raw: bytes) -> Iterator[_Packet]:
    if len(raw) > LARGEST:
        raise _wrong("data", f"{len(raw)} bytes", f"at most {LARGEST}")
    at = 0
    while at < len(raw):
        head = raw[at]
        if not head & 0x80:
            raise _wrong("packet", f"first byte {head:#x}", "an OpenPGP packet")
        if head & 0x40:
            body, at = _new_body(raw, at + 1)
            yield _Packet(head & 0x3F, body)
        else:
            body, at = _old_body(raw, at + 1, head & 3)
            yield _Packet(head >> 2 & 0xF, body)


def _old_body(raw: bytes, at: int, kind: int) -> tuple[bytes, int]:
    if kind == 3:  # until the end
        return raw[at:], len(raw)
    size = 1 << kind
    return _cut(raw, at + size, int.from_bytes(_cut(raw, at, size)[0], "big"))


def _new_body(raw: bytes, at: int) -> tuple[bytes, int]:
    body = bytearray()
    while True:
        first = _cut(raw, at, 1)[0][0]
        if first < 192:
            size, at, more = first, at + 1, False
        elif first < 224:
            size, at, more = (first - 192 << 8) + _cut(raw, at + 1, 1)[0][0] + 192, at + 2, False
        elif first == 255:
            size, at, more = int.from_bytes(_cut(raw, at + 1, 4)[0], "big"), at + 5, False
        else:
            size, at, more = 1 << (first & 0x1F), at + 1, True
        piece, at = _cut(raw, at, size)
        body += piece
        if not more:
            return bytes(body), at


def _cut(raw: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(raw):
        raise _wrong("packet", "a packet cut short", f"{size} bytes")
    return raw[at : at + size], at + size


def _decompress(body: bytes) -> bytes:
    windows = {1: -15, 2: 15}
    algorithm = body[0] if body else 0
    if algorithm not in windows:
        raise _wrong("compression", algorithm, "ZIP or ZLIB")
    inflater = zlib.decompressobj(windows[algorithm])
    try:
        plain = inflater.decompress(body[1:], LARGEST + 1)
    except zlib.error as error:
        raise _wrong("compressed packet", error, "a whole stream") from error
    if len(plain) > LARGEST or not inflater.eof:
        raise _wrong("compressed packet", "too large or cut off", f"at most {LARGEST} bytes")
    return plain


def _literal(body: bytes) -> bytes:
    name_end = 2 + _cut(body, 1, 1)[0][0]
    _, start = _cut(body, name_end, 4)
    return body[start:]


def _signature(body: bytes) -> _Signature:
    (version, kind, algorithm, digest), at = _cut(body, 0, 4)
    if (version, kind) != (4, _BINARY) or digest not in _HASHES:
        got = f"version {version}, type {kind}, hash {digest}"
        raise _wrong("signature", got, "version 4, type 0, SHA-256 or better")
    hashed, at = _cut(body, at + 2, int.from_bytes(_cut(body, at, 2)[0], "big"))
    signed = body[:at]
    _, at = _cut(body, at + 2, int.from_bytes(_cut(body, at, 2)[0], "big"))
    _, at = _cut(body, at, 2)
    times = dict(_subpackets(hashed))
    return _Signature(
        algorithm=algorithm,
        hash=digest,
        hashed=signed,
        numbers=tuple(_numbers(body[at:], 1 if algorithm in _RSA else 2)),
        created=int.from_bytes(times.get(_CREATED, b""), "big"),
        lifetime=int.from_bytes(times.get(_EXPIRES, b""), "big"),
    )


def _subpackets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        body, at = _subpacket(data, at)
        kind = body[0] & 0x7F if body else 0
        if body and body[0] & 0x80 and kind not in _KNOWN_SUBPACKETS:
            raise _wrong("signature", f"critical subpacket {kind}", "one that we know")
        yield kind, body[1:]


def _subpacket(data: bytes, at: int) -> tuple[bytes, int]:
    first = data[at]
    if first < 192:
        return _cut(data, at + 1, first)
    if first < 255:
        return _cut(data, at + 2, (first - 192 << 8) + _cut(data, at + 1, 1)[0][0] + 192)
    return _cut(data, at + 5, int.from_bytes(_cut(data, at + 1, 4)[0], "big"))


def _numbers(data: bytes, count: int) -> Iterable[bytes]:
    at = 0
    for _ in range(count):
        bits, at = _cut(data, at, 2)
        number, at = _cut(data, at, (int.from_bytes(bits, "big") + 7) // 8)
        yield number


def _key(body: bytes) -> PublicKey | None:
    """Read a key; None for a kind or version that is not ours."""
    if len(body) < 6 or body[0] != 4:
        return None
    algorithm, data = body[5], body[6:]
    try:
        if algorithm in _RSA:
            n, e = (int.from_bytes(number, "big") for number in _numbers(data, 2))
            return PublicKey(rsa.RSAPublicNumbers(e, n).public_key())
        if algorithm in {_ECDSA, _EDDSA}:
            return _curve_key(data)
    except (InputError, ValueError):
        return None  # too small, off its curve: as good as not there
    return None


def _curve_key(data: bytes) -> PublicKey | None:
    oid, at = _cut(data, 1, _cut(data, 0, 1)[0][0])
    (point,) = _numbers(data[at:], 1)
    if oid == _ED25519_OID and point[:1] == b"\x40":
        return PublicKey(ed25519.Ed25519PublicKey.from_public_bytes(point[1:]))
    if oid in _CURVE_OIDS:
        curve = CURVES[_CURVE_OIDS[oid]]
        return PublicKey(ec.EllipticCurvePublicKey.from_encoded_point(curve, point))
    return None


def _dearmor(raw: bytes) -> bytes:
    if len(raw) > LARGEST:
        raise _wrong("keyring", f"{len(raw)} bytes", f"at most {LARGEST}")
    if b"-----BEGIN PGP" not in raw[:200]:
        return raw
    try:
        text = raw.decode("ascii", errors="replace")
        return b"".join(base64.b64decode(block, validate=True) for block in _blocks(text))
    except (binascii.Error, ValueError) as error:
        raise _wrong("armor", error, "base64") from error


def _blocks(text: str) -> Iterator[str]:
    """Yield the base64 of each armored block, without headers and checksum."""
    lines: list[str] | None = None
    for line in map(str.strip, text.splitlines()):
        if line == _BEGIN:
            lines = []
        elif line == _END and lines is not None:
            yield "".join(lines)
            lines = None
        elif lines is not None and ":" not in line and not line.startswith("="):
            lines.append(line)


def _wrong(what: str, got: object, want: str) -> InputError:
    return InputError(f"OpenPGP {what}", got=got, want=want, spec=_SPEC)


def _refused(got: str, expected: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step="signature",
            claim="OpenPGP signature",
            got=got,
            expected=expected,
            rule=_SPEC,
            remedy="Sign with a key that the verifier's keyring holds.",
        )
    )
