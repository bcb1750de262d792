"""Digests as a type: an algorithm and its bytes, never a loose hex string."""

import hashlib
import hmac
from enum import StrEnum
from typing import Self

import msgspec

from casemate.errors import InputError


class Algorithm(StrEnum):
    """Hash algorithms in the spelling that initdata, OCI and RCAR share."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    @property
    def size(self) -> int:
        """Size of a digest, in bytes."""
        return {"sha256": 32, "sha384": 48, "sha512": 64}[self.value]

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read an algorithm name, in any letter case.

        Raises:
            InputError: the name is not one of ours.
        """
        try:
            return cls(name.lower())
        except ValueError as error:
            raise InputError("hash algorithm", got=name, want=", ".join(cls)) from error


class Digest(msgspec.Struct, frozen=True):
    """A digest: ``value`` holds exactly ``algorithm.size`` bytes."""

    algorithm: Algorithm
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != self.algorithm.size:
            raise InputError(
                f"{self.algorithm} digest",
                got=f"{len(self.value)} bytes",
                want=f"{self.algorithm.size} bytes",
            )

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview, algorithm: Algorithm) -> Self:
        """Hash ``data``."""
        return cls(algorithm, hashlib.new(algorithm.value, data).digest())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the OCI form ``sha256:<lower-case hex>`` (image-spec, descriptor digests).

        Raises:
            InputError: unknown algorithm, wrong length, or anything but lower-case hex.
        """
        name, colon, hexadecimal = text.partition(":")
        if not colon or hexadecimal != hexadecimal.lower() or not hexadecimal.isascii():
            raise InputError(
                "digest", got=text, want="algorithm:lower-case hex", spec="OCI descriptor"
            )
        if name != name.lower():
            raise InputError(
                "digest", got=text, want="a lower-case algorithm", spec="OCI descriptor"
            )
        algorithm = Algorithm.parse(name)
        if len(hexadecimal) != algorithm.size * 2 or not all(
            c in "0123456789abcdef" for c in hexadecimal
        ):
            raise InputError("digest", got=text, want=f"{algorithm.size * 2} hex digits")
        return cls(algorithm, bytes.fromhex(hexadecimal))

    @property
    def hex(self) -> str:
        """Lower-case hex of the bytes alone."""
        return self.value.hex()

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    def matches(self, other: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.value, other)


def sha256(data: bytes | bytearray | memoryview) -> Digest:
    """Hash with SHA-256 (32 bytes)."""
    return Digest.of(data, Algorithm.SHA256)
