"""A claim of a CCA token: its key, what form its value must have, and what people call it.

Tables of these drive reading, writing, showing and the names of our claims, so that they cannot
drift apart.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from casemate.crypto import cbor
from casemate.errors import PeerError

_SPEC: Final = "tee §9"
_HASHES: Final = ("sha-256", "sha-512")
"""What the RMM specification allows."""
_MEASUREMENT_SIZES: Final = (32, 48, 64)


class Claim(NamedTuple):
    """A row: where a claim stands, and how it is read."""

    key: int
    field: str
    """Name in our frozen type."""
    name: str
    """Name in Veraison's and upstream's JSON."""
    read: Callable[[cbor.Value, str], Any]
    meaning: str
    optional: bool = False


def read_claims(
    payload: cbor.Value, table: tuple[Claim, ...], where: str, *, closed: bool = False
) -> dict[str, Any]:
    """Read a claims map into keyword arguments; keys that nobody knows are passed over.

    Args:
        payload: what was decoded.
        table: the claims that are known.
        where: what messages call it.
        closed: refuse unknown keys instead.

    Raises:
        PeerError: no map, a claim missing, or of another form.
    """
    if not isinstance(payload, Mapping):
        raise PeerError(where, got=type(payload).__name__, want="a map of claims", spec=_SPEC)
    unknown = payload.keys() - {claim.key for claim in table}
    if closed and unknown:
        raise PeerError(where, got=f"key {next(iter(unknown))!r}", want="known keys", spec=_SPEC)
    found: dict[str, Any] = {}
    for claim in table:
        label = f"{where}: {claim.name}"
        if claim.key in payload:
            found[claim.field] = claim.read(payload[claim.key], label)
        elif not claim.optional:
            raise PeerError(label, got="no such claim", want=f"key {claim.key}", spec=_SPEC)
    return found


def data(*sizes: int) -> Callable[[cbor.Value, str], bytes]:
    """Read bytes of one of these sizes; of any when none is given."""

    def read(value: cbor.Value, where: str) -> bytes:
        if not isinstance(value, bytes) or (sizes and len(value) not in sizes):
            got = f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__
            want = f"{' or '.join(map(str, sizes))} bytes" if sizes else "bytes"
            raise PeerError(where, got=got, want=want, spec=_SPEC)
        return value

    return read


measurement = data(*_MEASUREMENT_SIZES)
"""Read a digest of 32, 48 or 64 bytes."""


def text(value: cbor.Value, where: str) -> str:
    """Read text."""
    if not isinstance(value, str):
        raise PeerError(where, got=type(value).__name__, want="text", spec=_SPEC)
    return value


def one_of(*known: str) -> Callable[[cbor.Value, str], str]:
    """Read one of these texts."""

    def read(value: cbor.Value, where: str) -> str:
        found = text(value, where)
        if found not in known:
            raise PeerError(where, got=found, want=" or ".join(known), spec=_SPEC)
        return found

    return read


hash_name = one_of(*_HASHES)
"""Read the name of a hash: sha-256 or sha-512."""


def number(value: cbor.Value, where: str) -> int:
    """Read a number of 16 bits."""
    if type(value) is not int or not 0 <= value <= 0xFFFF:
        raise PeerError(where, got=repr(value), want="a number of 16 bits", spec=_SPEC)
    return value


def several(count: int) -> Callable[[cbor.Value, str], tuple[bytes, ...]]:
    """Read exactly ``count`` measurements."""

    def read(value: cbor.Value, where: str) -> tuple[bytes, ...]:
        if not isinstance(value, tuple) or len(value) != count:
            got = f"{len(value)} entries" if isinstance(value, tuple) else type(value).__name__
            raise PeerError(where, got=got, want=f"{count} measurements", spec=_SPEC)
        return tuple(measurement(one, f"{where}[{i}]") for i, one in enumerate(value))

    return read
