"""Attestation request control block (ARCB): what the Ultravisor of a known host can open.

All big-endian (tee §12). Its secret part, a measurement key and a nonce, is sealed to a request
key; the request key is wrapped once for every host key. What the block does not say in the clear
its tag covers, reserved bytes too.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable
from enum import IntFlag
from typing import Final

import msgspec

from casemate.crypto.agreement import coordinates, from_coordinates, shared_x
from casemate.crypto.algorithms import Kind
from casemate.crypto.cipher import open_gcm, seal_gcm
from casemate.crypto.keys import PrivateKey, PublicKey
from casemate.errors import CasemateError, InputError, PeerError
from casemate.secret import Secret

VERSION: Final = 0x100
HMAC_SHA512: Final = 1
KEY_SIZE: Final = 64
"""Bytes of a measurement key."""
NONCE_SIZE: Final = 16
MOST_SLOTS: Final = 255
LARGEST: Final = 64 << 10
"""Bytes of a block that are looked at."""

_SPEC: Final = "tee §12 ARCB"
_WHERE: Final = "attestation request"
_COORDINATE: Final = 80
_TAG: Final = 16
_SLOT: Final = struct.Struct(">32s32s16s")
_NO_IV: Final = bytes(12)


class Flag(IntFlag):
    """What the measurement covers beside the image: bit 63-n is flag n."""

    NONCE = 1 << 62
    IMAGE_KEY_HASH = 1 << 61
    ATTESTATION_KEY_HASH = 1 << 60
    SECRET_STORE_HASH = 1 << 59
    FIRMWARE_STATE = 1 << 58


FLAGS: Final = Flag.NONCE | Flag.IMAGE_KEY_HASH | Flag.ATTESTATION_KEY_HASH
"""What we ask for."""
_KNOWN: Final = int(Flag(sum(Flag)))

HEAD: Final = (
    ("magic", "8s", "zeros"),
    ("version", "I", "0x100"),
    ("size", "I", "bytes of the whole block"),
    ("iv", "12s", "of the sealed part"),
    ("reserved_1", "11s", ""),
    ("slots", "B", "host keys that the request key is wrapped for"),
    ("reserved_2", "4s", ""),
    ("sealed_size", "I", "bytes of the sealed part without its tag"),
    ("flags", "Q", "what the measurement covers beside the image"),
    ("algorithm", "I", "1: HMAC-SHA-512"),
    ("reserved_3", "4s", ""),
    ("customer_key", "160s", "P-521 point the request key is agreed with"),
)
"""Name, form and meaning of each field of the head, in order."""

_HEAD: Final = struct.Struct(">" + "".join(form for _, form, _ in HEAD))


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The secret part of a request, and what seals it."""

    request_key: Secret
    """AES-256, 32 bytes."""
    iv: bytes
    """12 bytes."""
    measurement_key: Secret
    """64 bytes."""
    nonce: bytes
    """16 bytes."""


class KeySlot(msgspec.Struct, frozen=True):
    """The request key, wrapped for one host."""

    host_key_hash: bytes
    """SHA-256 (32 bytes) of the host key's coordinates."""
    wrapped: bytes
    """Request key and tag, 48 bytes."""

    @classmethod
    def wrap(cls, request_key: Secret, host_key: PublicKey, customer: PrivateKey) -> "KeySlot":
        """Wrap for a host.

        Raises:
            InputError: a key is not on P-521.
        """
        with _wrapping_key(customer, host_key) as key:
            return cls(hash_of(host_key), seal_gcm(key, _NO_IV, request_key))

    def encode(self) -> bytes:
        """Write the 80 bytes."""
        return self.host_key_hash + self.wrapped

    def unwrap(self, customer_key: PublicKey, host: PrivateKey) -> Secret:
        """Take the request key out, as the host's Ultravisor does.

        Raises:
            VerificationError: the slot is another host's.
        """
        with _wrapping_key(host, customer_key) as key:
            return open_gcm(key, _NO_IV, self.wrapped)


class RequestBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block that holds together; what is sealed in it nobody has looked at."""

    iv: bytes
    flags: Flag
    customer_key: bytes
    """x and y, 80 bytes each."""
    slots: tuple[KeySlot, ...]
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "RequestBlock":
        """Read a block.

        Raises:
            PeerError: another magic, version, algorithm or flag, or lengths that disagree.
        """
        if len(raw) < _HEAD.size or len(raw) > LARGEST:
            raise _broken(f"{len(raw)} bytes", f"{_HEAD.size} to {LARGEST} bytes")
        values = dict(zip((name for name, _, _ in HEAD), _HEAD.unpack_from(raw), strict=True))
        if values["magic"] != bytes(8):
            raise _broken(f"magic {values['magic'].hex()}", "zeros: this is no request")
        if values["version"] != VERSION:
            raise _broken(f"version {values['version']:#x}", f"{VERSION:#x}")
        if values["algorithm"] != HMAC_SHA512:
            raise _broken(f"algorithm {values['algorithm']}", "1: HMAC-SHA-512")
        flags = int(values["flags"])
        if flags & ~_KNOWN:
            raise _broken(f"flags {flags:#x}", f"none but {_KNOWN:#x}")
        count, sealed = int(values["slots"]), int(values["sealed_size"])
        wanted = KEY_SIZE + (NONCE_SIZE if flags & Flag.NONCE else 0)
        if sealed != wanted:
            raise _broken(f"{sealed} sealed bytes", f"{wanted}")
        size = _HEAD.size + _SLOT.size * count + sealed + _TAG
        if not count or values["size"] != size or len(raw) != size:
            got = f"size {values['size']} in {len(raw)} bytes, {count} slots"
            raise _broken(got, f"{size}, of at least one slot")
        slots = raw[_HEAD.size : _HEAD.size + _SLOT.size * count]
        return cls(
            iv=values["iv"],
            flags=Flag(flags),
            customer_key=values["customer_key"],
            slots=tuple(
                KeySlot(digest, key + tag) for digest, key, tag in _SLOT.iter_unpack(slots)
            ),
            raw=raw,
        )

    @property
    def additional_size(self) -> int:
        """Bytes of additional data that the flags ask for: a digest of 32 bytes for each."""
        hashes = Flag.IMAGE_KEY_HASH, Flag.ATTESTATION_KEY_HASH, Flag.SECRET_STORE_HASH
        return sum(32 for flag in hashes if flag in self.flags)

    def open(self, request_key: Secret) -> tuple[Secret, bytes]:
        """Give measurement key and nonce (empty if there is none).

        Raises:
            VerificationError: the tag does not match: another key, or any byte was changed.
        """
        size = KEY_SIZE + (NONCE_SIZE if Flag.NONCE in self.flags else 0) + _TAG
        with open_gcm(
            request_key, self.iv, self.raw[-size:], associated=self.raw[:-size]
        ) as opened:
            plain = opened.reveal()
        return Secret(plain[:KEY_SIZE]), plain[KEY_SIZE:]

    def open_as(self, host: PrivateKey) -> tuple[Secret, bytes]:
        """Do what the Ultravisor of a host does: find its slot, then as ``open``.

        Raises:
            InputError: no slot is this host's.
            VerificationError: what is in the slot, or in the block, was changed.
        """
        own = hash_of(host.public)
        for slot in self.slots:
            if hmac.compare_digest(slot.host_key_hash, own):
                customer = from_coordinates(Kind.P521, self.customer_key)
                with slot.unwrap(customer, host) as request_key:
                    return self.open(request_key)
        raise InputError(_WHERE, got=f"{len(self.slots)} slots of other hosts", want="one of ours")


def encode(
    asked: Asked, host_keys: Iterable[PublicKey], customer: PrivateKey, *, flags: Flag = FLAGS
) -> bytes:
    """Write the block that these hosts can open.

    Raises:
        InputError: no host key, too many, or a key that is not on P-521.
    """
    hosts = tuple(host_keys)
    if not 1 <= len(hosts) <= MOST_SLOTS:
        raise InputError("host keys", got=len(hosts), want=f"1 to {MOST_SLOTS}", spec=_SPEC)
    secret = asked.measurement_key.reveal() + asked.nonce
    slots = b"".join(KeySlot.wrap(asked.request_key, one, customer).encode() for one in hosts)
    head = _HEAD.pack(
        bytes(8),
        VERSION,
        _HEAD.size + len(slots) + len(secret) + _TAG,
        asked.iv,
        bytes(11),
        len(hosts),
        bytes(4),
        len(secret),
        int(flags),
        HMAC_SHA512,
        bytes(4),
        coordinates(customer.public, width=_COORDINATE),
    )
    clear = head + slots
    return clear + seal_gcm(asked.request_key, asked.iv, secret, associated=clear)


def hash_of(host_key: PublicKey) -> bytes:
    """SHA-256 (32 bytes) by which a host key is known: of x and y, 80 bytes each."""
    return hashlib.sha256(coordinates(host_key, width=_COORDINATE)).digest()


def _wrapping_key(private: PrivateKey, public: PublicKey) -> Secret:
    """SHA-256 of the shared x-coordinate (66 bytes) and a counter of 1."""
    try:
        with shared_x(private, public) as shared:
            return Secret(hashlib.sha256(shared.reveal() + b"\0\0\0\1").digest())
    except CasemateError as error:
        raise InputError("host key", got=error, want="a key on P-521", spec=_SPEC) from error


def _broken(got: str, want: str) -> PeerError:
    return PeerError(_WHERE, got=got, want=want, spec=_SPEC)
