"""TCG2 event logs: what firmware says it measured, little-endian (TCG PFP 1.05 section 10).

A log proves nothing by itself. It counts once ``replay`` gives the registers that were signed.
"""

import hashlib
import hmac
import struct
from _sha512 import sha384, sha512  # type: ignore[import-not-found]  # Python's own: see _HASHES
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, Self

import msgspec

from casemate.errors import PeerError
from casemate.wire.tpm import ALG_SHA1, ALG_SHA256, ALG_SHA384, ALG_SHA512, ALG_SM3

LARGEST_LOG: Final = 1 << 20
"""Bytes that are looked at, stop mark and padding included (a CCEL area has up to 1 MiB)."""
MOST_EVENTS: Final = 4096
LARGEST_EVENT: Final = 1 << 19
"""Bytes of one event's data."""

EV_NO_ACTION: Final = 3
STOP_MARK: Final = b"\xff" * 8
"""What a CCEL ends with; eight zeros end one too."""
DIGEST_SIZES: Final = {ALG_SHA1: 20, ALG_SHA256: 32, ALG_SHA384: 48, ALG_SHA512: 64, ALG_SM3: 32}
ALGORITHM_NAMES: Final = {
    0x0001: "RSA",
    0x0003: "TDES",
    ALG_SHA1: "SHA-1",
    ALG_SHA256: "SHA-256",
    ALG_SHA384: "SHA-384",
    ALG_SHA512: "SHA-512",
    ALG_SM3: "SM3",
}

_SPEC: Final = "TCG PFP 1.05, 10.2"
_SIGNATURE: Final = b"Spec ID Event03\0"
_UNSIGNED: Final = bytes(16)
_STARTUP_LOCALITY: Final = b"StartupLocality\0"
_MOST_DIGESTS: Final = 8
_MARKS: Final = frozenset((STOP_MARK, bytes(8)))
_MARK_WORDS: Final = frozenset((0, 0xFFFFFFFF))
_HEAD: Final = struct.Struct("<II20xI")  # register, type, (SHA-1), size of the Spec ID
_SPEC_ID: Final = struct.Struct("<16s8xI")  # signature, (class, version), count of algorithms
_BANK: Final = struct.Struct("<HH")  # algorithm, digest size
_EVENT: Final = struct.Struct("<III")  # register, type, count of digests
_SIZE: Final = struct.Struct("<I")
_ALGORITHM: Final = struct.Struct("<H")


class LoggedEvent(msgspec.Struct, frozen=True, gc=False):
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
        return dict(self.digests).get(algorithm)


class EventLog(msgspec.Struct, frozen=True):
    """A parsed log: the banks its head announces, and its entries in order."""

    algorithms: tuple[tuple[int, int], ...]
    """TCG algorithm identifier and digest size in bytes."""
    events: tuple[LoggedEvent, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a log up to its stop mark or its end.

        The head's signature is ``Spec ID Event03``, or zeros: those of a log that has no entry of
        any firmware in it (tee §5.2).

        Raises:
            PeerError: no Spec ID head, an algorithm the head does not announce, a length past the
                end, or more than ``MOST_EVENTS`` entries or ``LARGEST_LOG`` bytes.
        """
        if len(raw) > LARGEST_LOG:
            raise _error(f"{len(raw)} bytes", f"at most {LARGEST_LOG}")
        try:
            algorithms, at = _parse_head(raw)
            events = _parse_events(raw, at, algorithms)[0]
        except struct.error as error:
            raise _error("the end", "a whole entry") from error
        return cls(algorithms, tuple(events))

    def encode(self) -> bytes:
        """Write the log, without a stop mark."""
        return encode_head(self.algorithms) + b"".join(map(encode_event, self.events))


def cut(raw: bytes) -> bytes:
    """Give a log without its stop mark and what follows it, as more entries may be appended to.

    Raises:
        PeerError: what ``EventLog.parse`` raises it for, or no stop mark.
    """
    if len(raw) > LARGEST_LOG:
        raise _error(f"{len(raw)} bytes", f"at most {LARGEST_LOG}")
    try:
        algorithms, at = _parse_head(raw)
        _, end = _parse_events(raw, at, algorithms)
    except struct.error as error:
        raise _error("the end", "a whole entry") from error
    if raw[end : end + len(STOP_MARK)] not in _MARKS:
        raise _error(f"the end at offset {end}", "a stop mark")
    return raw[:end]


def encode_event(event: LoggedEvent) -> bytes:
    """Write one entry (TCG_PCR_EVENT2)."""
    return b"".join(
        (
            _EVENT.pack(event.register, event.kind, len(event.digests)),
            *(_ALGORITHM.pack(alg) + digest for alg, digest in event.digests),
            _SIZE.pack(len(event.data)),
            event.data,
        )
    )


def encode_head(algorithms: Sequence[tuple[int, int]]) -> bytes:
    """Write the first entry: Spec ID Event03, in the old SHA-1 form."""
    banks = b"".join(_BANK.pack(algorithm, size) for algorithm, size in algorithms)
    spec = _SIGNATURE + bytes((0, 0, 0, 0, 0, 2, 0, 2)) + _SIZE.pack(len(algorithms)) + banks
    return _HEAD.pack(0, EV_NO_ACTION, len(spec) + 1) + spec + b"\0"


def replay(events: Iterable[LoggedEvent], algorithm: int) -> dict[int, bytes]:
    """Compute the registers that extending ``events`` in order gives, one bank.

    A register that no event extends is absent. EV_NO_ACTION extends nothing; one that names the
    startup locality sets where PCR 0 starts from.

    Raises:
        PeerError: an entry without a digest of this bank, or a bank that is no hash we know.
    """
    hashed = hash_of(algorithm)
    size = DIGEST_SIZES[algorithm]
    zeros = start = bytes(size)
    registers: dict[int, bytes] = {}
    for event in events:
        if event.kind == EV_NO_ACTION:
            start = _startup(event, size) or start
            continue
        for found, digest in event.digests:  # noqa: B007  # used once found
            if found == algorithm:
                break
        else:
            raise _error("an entry without digest", f"{ALGORITHM_NAMES[algorithm]} in every entry")
        register = event.register
        old = registers.get(register) or (zeros if register else start)
        registers[register] = hashed(old + digest).digest()
    return registers


def require_registers(log: EventLog, algorithm: int, registers: Mapping[int, bytes]) -> None:
    """Refuse a log that does not explain the signed values of ``registers``, all of them.

    A register without an entry must be zero, and an entry of a register that is not among them
    explains nothing that was signed; register 0 of a CCEL is the one exception, since the build
    of a TD is measured there, and is compared elsewhere (tee §5.1).

    Raises:
        PeerError: naming the register, its signed value and its replayed one.
    """
    found = replay(log.events, algorithm)
    zeros = bytes(DIGEST_SIZES[algorithm])
    for index, signed in registers.items():
        replayed = found.get(index, zeros)
        if not hmac.compare_digest(replayed, signed):
            raise PeerError(
                f"event log, register {index}",
                got=f"{replayed.hex()}, by replay",
                want=f"{signed.hex()}, as signed",
                spec=_SPEC,
            )
    if strays := sorted(set(found) - set(registers) - {0}):
        raise _error(f"entries of registers {strays}", f"registers {sorted(registers)}")


class Hashed(Protocol):
    """A hash that was taken."""

    def digest(self) -> bytes: ...


def hash_of(algorithm: int) -> Callable[[bytes], Hashed]:
    """Give the constructor of one of TCG's hashes, in the manner of ``hashlib``.

    Raises:
        PeerError: it is none of the five.
    """
    try:
        return _HASHES[algorithm]
    except KeyError as error:
        raise _error(f"algorithm {algorithm:#x}", "a hash such as SHA-384") from error


class _Sm3:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def digest(self) -> bytes:
        from casemate.crypto.sm3 import sm3  # loads a library that only Hygon's logs need

        return sm3(self._data)


# What a log hashes is short, and there are hundreds: for SHA-384 Python's own module is a third
# quicker than OpenSSL's, which takes longer to begin. For SHA-256 it is not: processors have that.
_HASHES: Final[dict[int, Callable[[bytes], Hashed]]] = {
    ALG_SHA1: hashlib.sha1,
    ALG_SHA256: hashlib.sha256,
    ALG_SHA384: sha384,
    ALG_SHA512: sha512,
    ALG_SM3: _Sm3,
}


def _startup(event: LoggedEvent, size: int) -> bytes | None:
    if event.register == 0 and event.data[:-1] == _STARTUP_LOCALITY:
        return event.data[-1:].rjust(size, b"\0")
    return None


def _parse_head(raw: bytes) -> tuple[tuple[tuple[int, int], ...], int]:
    """Read the first entry: its algorithms, and the offset behind it."""
    _, kind, spec_size = _HEAD.unpack_from(raw)
    if kind != EV_NO_ACTION:
        raise _error(f"first entry of type {kind:#x}", "EV_NO_ACTION with the Spec ID")
    spec = raw[_HEAD.size : _HEAD.size + spec_size]
    if len(spec) != spec_size:
        raise _error(f"Spec ID of {spec_size} bytes", "one that ends within the log")
    signature, count = _SPEC_ID.unpack_from(spec)
    if signature not in {_SIGNATURE, _UNSIGNED}:
        raise _error(signature, "Spec ID Event03")
    if not 1 <= count <= _MOST_DIGESTS:
        raise _error(f"{count} algorithms", f"1 to {_MOST_DIGESTS}")
    at = _SPEC_ID.size
    algorithms = tuple(_BANK.unpack_from(spec, at + i * _BANK.size) for i in range(count))
    for algorithm, size in algorithms:
        if DIGEST_SIZES.get(algorithm, size) != size:
            raise _error(f"algorithm {algorithm:#x} of {size} bytes", "its true size")
    if len(dict(algorithms)) != count:
        raise _error(f"algorithms {algorithms}", "each once")
    at += count * _BANK.size
    vendor = spec[at : at + 1]
    if not vendor or len(spec) != at + 1 + vendor[0]:
        raise _error(f"Spec ID of {spec_size} bytes", "one that is consumed exactly")
    return algorithms, _HEAD.size + spec_size


def _parse_events(
    raw: bytes, at: int, algorithms: tuple[tuple[int, int], ...]
) -> tuple[list[LoggedEvent], int]:
    """Read entries up to a stop mark or the end: the entries, and the offset behind them."""
    events: list[LoggedEvent] = []
    if len(algorithms) == 1:
        events, at = _parse_usual(raw, at, *algorithms[0])
    sizes = dict(algorithms)
    while at < len(raw) and raw[at : at + 8] not in _MARKS:
        if len(events) == MOST_EVENTS:
            raise _error("more entries", f"at most {MOST_EVENTS}")
        event, at = _parse_event(raw, at, sizes)
        events.append(event)
    return events, at


def _parse_usual(
    raw: bytes, at: int, algorithm: int, digest_size: int
) -> tuple[list[LoggedEvent], int]:
    """Read entries of a log of one bank while they are as expected, in one step each.

    A CCEL has one bank. What is not as expected is left to ``_parse_event``, which says why.
    """
    entry = struct.Struct(f"<IIIH{digest_size}sI")
    unpack, size, last = entry.unpack_from, entry.size, len(raw) - entry.size
    events: list[LoggedEvent] = []
    while at <= last and len(events) < MOST_EVENTS:
        register, kind, count, found, digest, length = unpack(raw, at)
        begin = at + size
        data = raw[begin : begin + length]
        if (
            count != 1
            or found != algorithm
            or len(data) != length
            or length > LARGEST_EVENT
            or (register == kind and register in _MARK_WORDS)
        ):
            break
        events.append(LoggedEvent(register, kind, ((found, digest),), data))
        at = begin + length
    return events, at


def _parse_event(raw: bytes, at: int, sizes: Mapping[int, int]) -> tuple[LoggedEvent, int]:
    register, kind, count = _EVENT.unpack_from(raw, at)
    at += _EVENT.size
    if count > _MOST_DIGESTS:
        raise _error(f"{count} digests", f"at most {_MOST_DIGESTS}")
    digests: dict[int, bytes] = {}
    for _ in range(count):
        (algorithm,) = _ALGORITHM.unpack_from(raw, at)
        if algorithm not in sizes or algorithm in digests:
            raise _error(f"algorithm {algorithm:#x}", "each announced algorithm once")
        at += _ALGORITHM.size
        digests[algorithm] = raw[at : at + sizes[algorithm]]
        at += sizes[algorithm]  # one that is cut short leaves no room for the size below
    (length,) = _SIZE.unpack_from(raw, at)
    at += _SIZE.size
    if length > min(LARGEST_EVENT, len(raw) - at):
        raise _error(
            f"event of {length} bytes at offset {at}",
            f"one that ends within the log, of at most {LARGEST_EVENT}",
        )
    return LoggedEvent(register, kind, tuple(digests.items()), raw[at : at + length]), at + length


def _error(got: object, want: str) -> PeerError:
    return PeerError("event log", got=got, want=want, spec=_SPEC)
