"""TPM 2.0 structures, big-endian (TCG TPM 2.0 Library, Part 2); no device, no cryptography.

Only what a quote needs: TPMS_ATTEST, TPMT_SIGNATURE, TPMT_PUBLIC of an RSA signing key.
"""

import hashlib
from typing import Final, Self

import msgspec

from casemate.errors import PeerError

ALG_RSA: Final = 0x0001
ALG_SHA1: Final = 0x0004
ALG_SHA256: Final = 0x000B
ALG_SHA384: Final = 0x000C
ALG_SHA512: Final = 0x000D
ALG_NULL: Final = 0x0010
ALG_SM3: Final = 0x0012
ALG_RSASSA: Final = 0x0014

PCR_COUNT: Final = 24
GENERATED: Final = 0xFF544347  # TPM_GENERATED_VALUE
ST_ATTEST_QUOTE: Final = 0x8018

FIXED_TPM: Final = 1 << 1
FIXED_PARENT: Final = 1 << 4
SENSITIVE_DATA_ORIGIN: Final = 1 << 5
USER_WITH_AUTH: Final = 1 << 6
RESTRICTED: Final = 1 << 16
SIGN: Final = 1 << 18
ATTESTATION_KEY: Final = (
    FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | RESTRICTED | SIGN
)
"""Attributes of an attestation key: made in this TPM, never leaves, signs only what it made."""

_USUAL_EXPONENT: Final = 65537  # written as 0
_SPEC: Final = "TPM 2.0 Library Part 2"
_LARGEST_BITMAP: Final = 4  # TPM2_PCR_SELECT_MAX, bytes
_MOST_SELECTIONS: Final = 16  # TPM_NUM_PCR_BANKS of any known implementation


class Reader:
    """Bounded reader of big-endian fields; every shortage is a PeerError."""

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        self._at = 0
        self._where = where

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise PeerError(
                self._where,
                got=f"{len(self._data) - self._at} bytes left",
                want=f"{size} at offset {self._at}",
                spec=_SPEC,
            )
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self) -> bytes:
        """Read a TPM2B: length of 2 bytes, then the bytes."""
        return self.take(self.number(2))

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Insist that nothing is left."""
        if self._at != len(self._data):
            raise self.error(f"{len(self._data) - self._at} bytes left over", "none")

    def error(self, got: str, want: str) -> PeerError:
        return PeerError(self._where, got=got, want=want, spec=_SPEC)


def sized(data: bytes) -> bytes:
    """Encode a TPM2B."""
    return len(data).to_bytes(2, "big") + data


class PcrSelection(msgspec.Struct, frozen=True):
    """TPMS_PCR_SELECTION: registers of one bank; bit n of the bitmap (LSB first) is PCR n."""

    algorithm: int
    bitmap: bytes

    @classmethod
    def of(cls, indices: range | tuple[int, ...], algorithm: int = ALG_SHA256) -> Self:
        bits = sum(1 << index for index in indices)
        return cls(algorithm, bits.to_bytes(3, "little"))

    @property
    def indices(self) -> tuple[int, ...]:
        bits = int.from_bytes(self.bitmap, "little")
        return tuple(i for i in range(len(self.bitmap) * 8) if bits >> i & 1)

    def encode(self) -> bytes:
        return self.algorithm.to_bytes(2, "big") + bytes((len(self.bitmap),)) + self.bitmap


ALL_PCRS: Final = PcrSelection(ALG_SHA256, b"\xff\xff\xff")
"""The only selection a verifier of ours accepts: SHA-256, PCR 0 to 23."""


def encode_selections(selections: tuple[PcrSelection, ...]) -> bytes:
    """Encode a TPML_PCR_SELECTION."""
    return len(selections).to_bytes(4, "big") + b"".join(s.encode() for s in selections)


def read_selections(reader: Reader) -> tuple[PcrSelection, ...]:
    """Read a TPML_PCR_SELECTION of at most 16 banks of at most 32 registers."""
    count = reader.number(4)
    if count > _MOST_SELECTIONS:
        raise reader.error(f"{count} PCR selections", f"at most {_MOST_SELECTIONS}")
    return tuple(_read_selection(reader) for _ in range(count))


def _read_selection(reader: Reader) -> PcrSelection:
    algorithm, size = reader.number(2), reader.number(1)
    if size > _LARGEST_BITMAP:
        raise reader.error(f"a PCR bitmap of {size} bytes", f"at most {_LARGEST_BITMAP}")
    return PcrSelection(algorithm, reader.take(size))


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """TPMS_ATTEST of type quote. Parsed, not verified."""

    qualified_signer: bytes
    extra_data: bytes
    """The nonce, as the caller of TPM2_Quote gave it."""
    clock: int = 0
    """Milliseconds the TPM was powered."""
    reset_count: int = 0
    restart_count: int = 0
    safe: bool = True
    firmware_version: int = 0
    selections: tuple[PcrSelection, ...] = (ALL_PCRS,)
    pcr_digest: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a quote.

        Raises:
            PeerError: wrong magic or type, a length past the end, or bytes left over.
        """
        reader = Reader(raw, "TPM quote")
        if (magic := reader.number(4)) != GENERATED:
            raise reader.error(f"magic {magic:#010x}", f"{GENERATED:#x}")
        if (kind := reader.number(2)) != ST_ATTEST_QUOTE:
            raise reader.error(f"type {kind:#06x}", f"{ST_ATTEST_QUOTE:#06x}, a quote")
        quote = cls(
            qualified_signer=reader.sized(),
            extra_data=reader.sized(),
            clock=reader.number(8),
            reset_count=reader.number(4),
            restart_count=reader.number(4),
            safe=_yes_no(reader),
            firmware_version=reader.number(8),
            selections=read_selections(reader),
            pcr_digest=reader.sized(),
        )
        reader.end()
        return quote

    def encode(self) -> bytes:
        return b"".join(
            (
                GENERATED.to_bytes(4, "big"),
                ST_ATTEST_QUOTE.to_bytes(2, "big"),
                sized(self.qualified_signer),
                sized(self.extra_data),
                self.clock.to_bytes(8, "big"),
                self.reset_count.to_bytes(4, "big"),
                self.restart_count.to_bytes(4, "big"),
                bytes((self.safe,)),
                self.firmware_version.to_bytes(8, "big"),
                encode_selections(self.selections),
                sized(self.pcr_digest),
            )
        )


def _yes_no(reader: Reader) -> bool:
    value = reader.number(1)
    if value > 1:
        raise reader.error(f"TPMI_YES_NO {value}", "0 or 1")
    return value == 1


class Signature(msgspec.Struct, frozen=True):
    """TPMT_SIGNATURE of an RSASSA scheme."""

    signature: bytes
    hash_algorithm: int = ALG_SHA256

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a signature.

        Raises:
            PeerError: another scheme than RSASSA, a length past the end, or bytes left over.
        """
        reader = Reader(raw, "TPM signature")
        if (scheme := reader.number(2)) != ALG_RSASSA:
            raise reader.error(f"scheme {scheme:#06x}", f"{ALG_RSASSA:#06x}, RSASSA")
        hash_algorithm = reader.number(2)
        signature = cls(reader.sized(), hash_algorithm)
        reader.end()
        return signature

    def encode(self) -> bytes:
        return b"".join(
            (
                ALG_RSASSA.to_bytes(2, "big"),
                self.hash_algorithm.to_bytes(2, "big"),
                sized(self.signature),
            )
        )


class RsaPublic(msgspec.Struct, frozen=True, kw_only=True):
    """TPMT_PUBLIC of an RSA signing key (RSASSA, SHA-256 names, no policy)."""

    attributes: int = ATTESTATION_KEY
    key_bits: int = 2048
    exponent: int = _USUAL_EXPONENT
    modulus: bytes = b""
    """Big-endian; empty in a template."""
    policy: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a public area.

        Raises:
            PeerError: any other kind of key, a length past the end, or bytes left over.
        """
        reader = Reader(raw, "TPM public key")
        found = (reader.number(2), reader.number(2))
        if found != (ALG_RSA, ALG_SHA256):
            raise reader.error(f"type and name algorithm {found}", "RSA, SHA-256")
        attributes = reader.number(4)
        policy = reader.sized()
        scheme = (reader.number(2), reader.number(2), reader.number(2))
        if scheme != (ALG_NULL, ALG_RSASSA, ALG_SHA256):
            raise reader.error(f"scheme {scheme}", "no symmetric part, RSASSA, SHA-256")
        public = cls(
            attributes=attributes,
            policy=policy,
            key_bits=reader.number(2),
            exponent=reader.number(4) or _USUAL_EXPONENT,
            modulus=reader.sized(),
        )
        reader.end()
        return public

    def encode(self) -> bytes:
        return b"".join(
            (
                ALG_RSA.to_bytes(2, "big"),
                ALG_SHA256.to_bytes(2, "big"),
                self.attributes.to_bytes(4, "big"),
                sized(self.policy),
                ALG_NULL.to_bytes(2, "big"),
                ALG_RSASSA.to_bytes(2, "big"),
                ALG_SHA256.to_bytes(2, "big"),
                self.key_bits.to_bytes(2, "big"),
                (0 if self.exponent == _USUAL_EXPONENT else self.exponent).to_bytes(4, "big"),
                sized(self.modulus),
            )
        )

    @property
    def name(self) -> bytes:
        """The TPM's name of this key: hash algorithm and SHA-256 of the public area, 34 bytes."""
        return ALG_SHA256.to_bytes(2, "big") + hashlib.sha256(self.encode()).digest()

    def spki(self) -> bytes:
        """Give SubjectPublicKeyInfo, DER (RFC 8017 A.1), without a cryptography library."""
        key = _der(0x30, _der_integer(self.modulus) + _der_integer(_minimal(self.exponent)))
        return _der(0x30, _RSA_ENCRYPTION + _der(0x03, b"\0" + key))


_RSA_ENCRYPTION: Final = bytes.fromhex("300d06092a864886f70d0101010500")


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _der_integer(value: bytes) -> bytes:
    value = value.lstrip(b"\0") or b"\0"
    return _der(0x02, b"\0" + value if value[0] & 0x80 else value)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = _minimal(size)
    return bytes((tag, 0x80 | len(length))) + length + content
