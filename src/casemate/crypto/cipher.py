"""Symmetric ciphers: AES-256-GCM in one piece, AES-256-CTR as a stream, with HMAC-SHA256."""

import hmac
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from casemate.errors import InputError, Refusal, VerificationError
from casemate.secret import Secret

KEY_SIZE: Final = 32
"""Bytes of every key here."""
GCM_IV_SIZE: Final = 12
COUNTER_SIZE: Final = 16
"""Bytes of the first counter block, a 128-bit big-endian number."""


def seal_gcm(
    key: Secret, iv: bytes, plaintext: bytes | Secret, *, associated: bytes = b""
) -> bytes:
    """Encrypt with AES-256-GCM; gives the ciphertext with its 16-byte tag, over ``associated`` too.

    Raises:
        InputError: the key is not 32 bytes or ``iv`` not 12.
    """
    data = plaintext.reveal() if isinstance(plaintext, Secret) else plaintext
    return AESGCM(_key(key)).encrypt(_sized("GCM nonce", iv, GCM_IV_SIZE), data, associated)


def open_gcm(key: Secret, iv: bytes, sealed: bytes, *, associated: bytes = b"") -> Secret:
    """Decrypt what ``seal_gcm`` made, with the same ``associated`` bytes.

    Raises:
        InputError: the key is not 32 bytes or ``iv`` not 12.
        VerificationError: the tag does not match: another key, or changed bytes.
    """
    cipher = AESGCM(_key(key))
    try:
        return Secret(cipher.decrypt(_sized("GCM nonce", iv, GCM_IV_SIZE), sealed, associated))
    except InvalidTag as error:
        raise VerificationError(
            Refusal(
                step="open",
                claim="AES-256-GCM tag",
                got="a tag that does not match",
                expected="the tag of these bytes under this key",
                rule="A256GCM",
                remedy="Either the key is not the one that sealed, or the bytes were changed.",
            )
        ) from error


@final
class CtrStream:
    """AES-256-CTR over a stream; encrypting and decrypting are the same. Raises InputError."""

    def __init__(self, key: Secret, counter: bytes) -> None:
        mode = modes.CTR(_sized("CTR counter", counter, COUNTER_SIZE))
        self._stream = Cipher(algorithms.AES256(_key(key)), mode).encryptor()

    def update(self, data: bytes) -> bytes:
        """Give the next bytes, as many as came."""
        return self._stream.update(data)


@final
class HmacStream:
    """HMAC-SHA256 over a stream, 32 bytes."""

    def __init__(self, key: Secret) -> None:
        self._mac = hmac.new(key.reveal(), digestmod="sha256")

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._mac.update(data)

    def value(self) -> bytes:
        """Give the code of all bytes so far."""
        return self._mac.digest()

    def matches(self, other: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._mac.digest(), other)


def _key(key: Secret) -> bytes:
    if len(key) != KEY_SIZE:
        raise InputError("AES-256 key", got=f"{len(key)} bytes", want=f"{KEY_SIZE} bytes")
    return key.reveal()


def _sized(what: str, value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise InputError(what, got=f"{len(value)} bytes", want=f"{size} bytes")
    return value
