"""TCG2 event logs: what firmware says it measured, little-endian (TCG PFP 1.05 section 10).

A log proves nothing by itself. It counts once ``replay`` gives the registers that were signed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, Self

import msgspec

from casemate.errors import PeerError
from casemate.wire.tpm import ALG_SHA1, ALG_SHA256, ALG_SHA384, ALG_SHA512, ALG_SM3

LARGEST_LOG: Final = 1 << 20
"""Bytes that are looked at, stop mark and padding included (a CCEL area has up to 1 MiB)."""
MOST_EVENTS: Final = 4096
LARGEST_EVENT: Final = 1 << 19
"""Bytes of one event's data."""

EV_NO_ACTION: Final = 3
DIGEST_SIZES: Final = {ALG_SHA1: 20, ALG_SHA256: 32, ALG_SHA384: 48, ALG_SHA512: 64, ALG_SM3: 32}
ALGORITHM_NAMES: Final = {
    ALG_SHA1: "SHA-1",
    ALG_SHA256: "SHA-256",
    ALG_SHA384: "SHA-384",
    ALG_SHA512: "SHA-512",
    ALG_SM3: "SM3",
}
HASHES: Final = {
    ALG_SHA1: "sha1",
    ALG_SHA256: "sha256",
    ALG_SHA384: "sha384",
    ALG_SHA512: "sha512",
    ALG_SM3: "sm3",
}

_SPEC: Final = "TCG PFP 1.05, 10.2"
_SIGNATURE: Final = b"Spec ID Event03\0"
_STARTUP_LOCALITY: Final = b"StartupLocality\0"
_MOST_DIGESTS: Final = 8
_STOP_MARKS: Final = (b"\xff" * 8, b"\0" * 8)


class LoggedEvent(msgspec.Struct, frozen=True):
    """One entry of a log."""

    register: int
    """PCR index, or CC measurement register index in a CCEL."""
    kind: int
    """Event type, such as 0x80000003."""
    digests: tuple[tuple[int, bytes], ...]
    """TCG algorithm identifier and digest; one for each active bank."""
    data: bytes

    def digest(self, algorithm: int) -> bytes | None:
        """Give this entry's digest for one bank; None when it has none."""
        return next((value for found, value in self.digests if found == algorithm), None)


class EventLog(msgspec.Struct, frozen=True):
    """A parsed log: the banks its head announces, and its entries in order."""

    algorithms: tuple[tuple[int, int], ...]
    """TCG algorithm identifier and digest size in bytes."""
    events: tuple[LoggedEvent, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a log up to its stop mark or its end.

        Raises:
            PeerError: no Spec ID head, an algorithm the head does not announce, a length past the
                end, or more than ``MOST_EVENTS`` entries or ``LARGEST_LOG`` bytes.
        """
        if len(raw) > LARGEST_LOG:
            raise _error(f"{len(raw)} bytes", f"at most {LARGEST_LOG}")
        reader = _Reader(raw)
        algorithms = _parse_head(reader)
        events: list[LoggedEvent] = []
        while reader.left and not reader.at_stop_mark:
            if len(events) == MOST_EVENTS:
                raise _error("more entries", f"at most {MOST_EVENTS}")
            events.append(_parse_event(reader, dict(algorithms)))
        return cls(algorithms, tuple(events))

    def encode(self) -> bytes:
        """Write the log, without a stop mark."""
        return encode_head(self.algorithms) + b"".join(map(encode_event, self.events))


def encode_event(event: LoggedEvent) -> bytes:
    """Write one entry (TCG_PCR_EVENT2)."""
    return b"".join(
        (
            _u32(event.register),
            _u32(event.kind),
            _u32(len(event.digests)),
            *(alg.to_bytes(2, "little") + digest for alg, digest in event.digests),
            _u32(len(event.data)),
            event.data,
        )
    )


def encode_head(algorithms: Sequence[tuple[int, int]]) -> bytes:
    """Write the first entry: Spec ID Event03, in the old SHA-1 form."""
    banks = b"".join(a.to_bytes(2, "little") + s.to_bytes(2, "little") for a, s in algorithms)
    spec = _SIGNATURE + _u32(0) + bytes((0, 2, 0, 2)) + _u32(len(algorithms)) + banks + b"\0"
    return _u32(0) + _u32(EV_NO_ACTION) + bytes(20) + _u32(len(spec)) + spec


def replay(events: Iterable[LoggedEvent], algorithm: int) -> dict[int, bytes]:
    """Compute the registers that extending ``events`` in order gives, one bank.

    A register that no event extends is absent. EV_NO_ACTION extends nothing; one that names the
    startup locality sets where PCR 0 starts from.

    Raises:
        PeerError: an entry without a digest of this bank, or a bank this machine cannot hash.
    """
    size = DIGEST_SIZES[algorithm]
    registers: dict[int, bytes] = {}
    start = bytes(size)
    for event in events:
        if event.kind == EV_NO_ACTION:
            start = _startup(event, size) or start
            continue
        digest = event.digest(algorithm)
        if digest is None:
            raise _error("an entry without digest", f"{ALGORITHM_NAMES[algorithm]} in every entry")
        old = registers.get(event.register, start if event.register == 0 else bytes(size))
        registers[event.register] = _hash(algorithm, old + digest)
    return registers


def digest_of(data: bytes, algorithm: int) -> bytes:
    """Hash with one of TCG's algorithms.

    Raises:
        PeerError: this machine's library lacks it (SM3, sometimes).
    """
    return _hash(algorithm, data)


def _startup(event: LoggedEvent, size: int) -> bytes | None:
    if event.register == 0 and event.data[:-1] == _STARTUP_LOCALITY:
        return event.data[-1:].rjust(size, b"\0")
    return None


def _hash(algorithm: int, data: bytes) -> bytes:
    try:
        return hashlib.new(HASHES[algorithm], data).digest()
    except (KeyError, ValueError) as error:
        raise _error(f"algorithm {algorithm:#x}", "one this machine can compute") from error


class _Reader:
    """Bounded little-endian reader."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    @property
    def at_stop_mark(self) -> bool:
        return self._data[self._at : self._at + 8] in _STOP_MARKS

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise _error(f"{self.left} bytes left", f"{size} at offset {self._at}")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")


def _parse_head(reader: _Reader) -> tuple[tuple[int, int], ...]:
    reader.number(4)
    if (kind := reader.number(4)) != EV_NO_ACTION:
        raise _error(f"first entry of type {kind:#x}", "EV_NO_ACTION with the Spec ID")
    reader.take(20)
    spec = _Reader(reader.take(reader.number(4)))
    if (signature := spec.take(16)) != _SIGNATURE:
        raise _error(signature, "Spec ID Event03")
    spec.take(8)
    count = spec.number(4)
    if not 1 <= count <= _MOST_DIGESTS:
        raise _error(f"{count} algorithms", f"1 to {_MOST_DIGESTS}")
    algorithms = tuple((spec.number(2), spec.number(2)) for _ in range(count))
    for algorithm, size in algorithms:
        if DIGEST_SIZES.get(algorithm, size) != size:
            raise _error(f"algorithm {algorithm:#x} of {size} bytes", "its true size")
    spec.take(spec.number(1))
    if spec.left:
        raise _error(f"{spec.left} bytes after the Spec ID", "none")
    return algorithms


def _parse_event(reader: _Reader, sizes: dict[int, int]) -> LoggedEvent:
    register, kind, count = reader.number(4), reader.number(4), reader.number(4)
    if count > _MOST_DIGESTS:
        raise _error(f"{count} digests", f"at most {_MOST_DIGESTS}")
    digests: dict[int, bytes] = {}
    for _ in range(count):
        algorithm = reader.number(2)
        if algorithm not in sizes or algorithm in digests:
            raise _error(f"algorithm {algorithm:#x}", "each announced algorithm once")
        digests[algorithm] = reader.take(sizes[algorithm])
    size = reader.number(4)
    if size > LARGEST_EVENT:
        raise _error(f"event of {size} bytes", f"at most {LARGEST_EVENT}")
    return LoggedEvent(register, kind, tuple(digests.items()), reader.take(size))


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def _error(got: object, want: str) -> PeerError:
    return PeerError("event log", got=got, want=want, spec=_SPEC)
