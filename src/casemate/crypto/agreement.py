"""Elliptic curve Diffie-Hellman as protocols that came before JOSE use it: bare coordinates."""

from cryptography.hazmat.primitives.asymmetric import ec

from casemate.crypto.algorithms import CURVES, Kind, coordinate_size
from casemate.crypto.keys import PrivateKey, PublicKey
from casemate.errors import InputError
from casemate.secret import Secret


def shared_x(private: PrivateKey, public: PublicKey) -> Secret:
    """Give the x-coordinate of the shared point: 32, 48 or 66 bytes, big-endian.

    Raises:
        InputError: not two elliptic keys on one curve.
    """
    match private.native, public.native:
        case ec.EllipticCurvePrivateKey() as ours, ec.EllipticCurvePublicKey() as theirs if (
            private.kind is public.kind
        ):
            return Secret(ours.exchange(ec.ECDH(), theirs))
    raise InputError(
        "key agreement", got=f"{private.kind} and {public.kind}", want="two keys on one curve"
    )


def coordinates(key: PublicKey, *, width: int) -> bytes:
    """Write x and y, big-endian, each padded with zeros on the left to ``width`` bytes.

    Raises:
        InputError: no elliptic key, or coordinates that are wider.
    """
    native = key.native
    if not isinstance(native, ec.EllipticCurvePublicKey) or coordinate_size(native.curve) > width:
        raise InputError("key", got=key.kind, want=f"a point of {width}-byte coordinates")
    point = native.public_numbers()
    return point.x.to_bytes(width, "big") + point.y.to_bytes(width, "big")


def from_coordinates(kind: Kind, point: bytes) -> PublicKey:
    """Read x and y, big-endian, each of half the bytes given.

    Raises:
        InputError: they are no point of this curve.
    """
    half = len(point) // 2
    x, y = int.from_bytes(point[:half], "big"), int.from_bytes(point[half:], "big")
    try:
        numbers = ec.EllipticCurvePublicNumbers(x, y, CURVES[kind])
        return PublicKey(numbers.public_key())
    except (ValueError, KeyError) as error:
        raise InputError("key", got=point[:8].hex(), want=f"a point of {kind}") from error
