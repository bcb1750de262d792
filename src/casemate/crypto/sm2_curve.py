"""The SM2 curve (GB/T 32918.5): points, and multiples of them, on Python's integers.

For verifying, where everything is public, and for the simulator's own keys. Nothing here runs in
constant time: no key that matters may be used with it.

Multiples of the generator come from a table of its multiples by powers of 16 (64 additions, no
doubling); multiples of another point from signed digits of five bits.
"""

from functools import cache
from typing import Final, NamedTuple

P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
"""The field's prime."""
A: Final = P - 3
B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""The order of the generator, a prime; the cofactor is 1."""


class Point(NamedTuple):
    """A point by its affine coordinates."""

    x: int
    y: int


G: Final = Point(
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)

Jacobian = tuple[int, int, int]
"""x = X/Z², y = Y/Z³; Z is 0 at infinity."""

INFINITY: Final[Jacobian] = (1, 1, 0)
_DIGITS: Final = 64  # of four bits, in a number up to the order
_WINDOW: Final = 5  # bits of a signed digit


def on_curve(point: Point) -> bool:
    """Say whether the coordinates are of the field and satisfy the curve's equation."""
    x, y = point
    return 0 <= x < P and 0 <= y < P and (y * y - (x * x + A) * x - B) % P == 0


def double(point: Jacobian, times: int = 1) -> Jacobian:
    """Double a point so many times; infinity stays itself."""
    x, y, z = point
    for _ in range(times):
        yy = y * y % P
        zz = z * z % P
        four = 4 * x * yy % P
        slope = 3 * (x - zz) * (x + zz) % P
        z = 2 * y * z % P
        x = (slope * slope - 2 * four) % P
        y = (slope * (four - x) - 8 * yy * yy) % P
    return x, y, z


def add(left: Jacobian, right: Point) -> Jacobian:
    """Add a point to another, in every case that there is."""
    x, y, z = left
    if z == 0:
        return right.x, right.y, 1
    zz = z * z % P
    width = (right.x * zz - x) % P
    height = (right.y * zz * z - y) % P
    if width == 0:
        return double(left) if height == 0 else INFINITY
    square = width * width % P
    cube = square * width % P
    base = x * square % P
    new_x = (height * height - cube - 2 * base) % P
    return new_x, (height * (base - new_x) - y * cube) % P, z * width % P


def affine(points: list[Jacobian]) -> list[Point]:
    """Give coordinates of points, none of them infinity, with one inversion for all."""
    products = [1]
    for _, _, z in points:
        products.append(products[-1] * z % P)
    inverse = pow(products[-1], -1, P)
    found = []
    for (x, y, z), before in zip(reversed(points), reversed(products[:-1]), strict=True):
        own = inverse * before % P
        inverse = inverse * z % P
        square = own * own % P
        found.append(Point(x * square % P, y * square * own % P))
    return found[::-1]


def multiply_generator(scalar: int) -> Jacobian:
    """Multiply the generator by a number from 0 to the order."""
    result = INFINITY
    for row in _generator_table():
        digit = scalar & 15
        if digit:
            result = add(result, row[digit - 1])
        scalar >>= 4
    return result


def combine(first: int, second: int, point: Point) -> Point | None:
    """Give ``first``·G + ``second``·``point``; None at infinity. Both are from 0 to the order."""
    result = _multiply(second, point)
    for row in _generator_table():
        digit = first & 15
        if digit:
            result = add(result, row[digit - 1])
        first >>= 4
    return affine([result])[0] if result[2] else None


@cache
def _generator_table() -> tuple[tuple[Point, ...], ...]:
    """Row i: 1 to 15 times 16 to the power of i times the generator."""
    multiples: list[Jacobian] = []
    step = G
    for _ in range(_DIGITS):
        row = [(step.x, step.y, 1)]
        for _ in range(15):
            row.append(add(row[-1], step))
        multiples += row[:15]
        step = affine([row[15]])[0]
    points = affine(multiples)
    return tuple(tuple(points[at : at + 15]) for at in range(0, len(points), 15))


def _multiply(scalar: int, point: Point) -> Jacobian:
    odd = _odd_multiples(point)
    result, waiting = INFINITY, 0
    for digit in reversed(_signed_digits(scalar)):
        waiting += 1
        if digit:
            other = odd[abs(digit) >> 1]
            signed = other if digit > 0 else Point(other.x, P - other.y)
            result, waiting = add(double(result, waiting), signed), 0
    return double(result, waiting)


def _odd_multiples(point: Point) -> list[Point]:
    """1, 3, 5 to 15 times a point."""
    twice = affine([double((point.x, point.y, 1))])[0]
    found = [(point.x, point.y, 1)]
    for _ in range((1 << _WINDOW - 2) - 1):
        found.append(add(found[-1], twice))
    return affine(found)


def _signed_digits(scalar: int) -> list[int]:
    """Write a number in digits 0, ±1, ±3 to ±15, lowest first; of five in a row one is not 0."""
    found = []
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & (1 << _WINDOW) - 1
            if digit >= 1 << _WINDOW - 1:
                digit -= 1 << _WINDOW
            scalar -= digit
        found.append(digit)
        scalar >>= 1
    return found
