"""SM2 signatures (GB/T 32918.2) with SM3, over the user's identity and the message.

The library underneath has no SM2, so the arithmetic is ours (``sm2_curve``).
"""

import os
from functools import cached_property
from typing import Final, NamedTuple, Self

from casemate.crypto.sm2_curve import (
    A,
    B,
    G,
    N,
    Point,
    affine,
    combine,
    multiply_generator,
    on_curve,
)
from casemate.crypto.sm3 import sm3
from casemate.errors import PeerError

SIZE: Final = 32
"""Bytes of a coordinate, and of each half of a signature."""
LONGEST_IDENTITY: Final = 8191
"""Bytes of a user's identity: its length in bits has two bytes."""

_SPEC: Final = "GB/T 32918.2"
_CURVE: Final = b"".join(number.to_bytes(SIZE, "big") for number in (A, B, *G))


class Signature(NamedTuple):
    """A signature's two numbers, as they came."""

    r: int
    s: int


class PublicKey:
    """A point of the curve."""

    __slots__ = ("__dict__", "point")

    def __init__(self, x: int, y: int) -> None:
        """Take coordinates.

        Raises:
            PeerError: there is no such point on the curve.
        """
        self.point = Point(x, y)
        if not on_curve(self.point):
            raise PeerError("SM2 key", got="a point off the curve", want="one on it", spec=_SPEC)

    @cached_property
    def encoded(self) -> bytes:
        """Both coordinates, 32 bytes each, big-endian."""
        return self.point.x.to_bytes(SIZE, "big") + self.point.y.to_bytes(SIZE, "big")

    def digest(self, message: bytes, identity: bytes) -> int:
        """Give the number that is signed: SM3 of the signer's ZA and the message.

        Raises:
            PeerError: the identity has more than ``LONGEST_IDENTITY`` bytes.
        """
        if len(identity) > LONGEST_IDENTITY:
            raise PeerError(
                "SM2 identity",
                got=f"{len(identity)} bytes",
                want=f"at most {LONGEST_IDENTITY}",
                spec=_SPEC,
            )
        bits = (len(identity) * 8).to_bytes(2, "big")
        return int.from_bytes(sm3(sm3(bits + identity + _CURVE + self.encoded) + message), "big")

    def verifies(self, signature: Signature, message: bytes, identity: bytes) -> bool:
        """Say whether ``signature`` is by this key and identity over ``message``.

        Numbers out of range give False.

        Raises:
            PeerError: the identity is too long.
        """
        r, s = signature
        both = (r + s) % N
        if not (0 < r < N and 0 < s < N and both):
            return False
        point = combine(s, both, self.point)
        return point is not None and (self.digest(message, identity) + point.x) % N == r

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.point == other.point

    def __hash__(self) -> int:
        return hash(self.point)

    def __repr__(self) -> str:
        return f"sm2.PublicKey({self.encoded.hex()[:16]})"


class PrivateKey:
    """A key of a simulator. Not for secrets: its arithmetic takes time that tells about it."""

    __slots__ = ("_scalar", "public")

    def __init__(self, scalar: int) -> None:
        self._scalar = scalar
        self.public = PublicKey(*affine([multiply_generator(scalar)])[0])

    @classmethod
    def generate(cls) -> Self:
        """Make a fresh key: a number from 1 to the order less 2."""
        return cls(1 + _random_below(N - 2))

    def sign(self, message: bytes, identity: bytes, *, nonce: int | None = None) -> Signature:
        """Sign. ``nonce`` (1 to the order less 1) is for the standard's test vectors alone."""
        digest = self.public.digest(message, identity)
        inverse = pow(1 + self._scalar, -1, N)
        while True:
            number = nonce or 1 + _random_below(N - 1)
            r = (digest + affine([multiply_generator(number)])[0].x) % N
            s = inverse * (number - r * self._scalar) % N
            if r and s and r + number != N:
                return Signature(r, s)

    def __repr__(self) -> str:
        return "sm2.PrivateKey"


def _random_below(bound: int) -> int:
    """Give a number below a 256-bit bound, by 64 bits more than it has (FIPS 186-5 A.2.1).

    Not by ``secrets``: a guest reads SM2 certificates too, and leaves that module out.
    """
    return int.from_bytes(os.urandom(SIZE + 8), "big") % bound
