"""SPDM 1.1 measurements (tee §13): the request that was sent, and the response that signs both.

Little-endian, but the signature, which is ``r || s`` in big-endian. What follows the response is a
tail of the driver's buffer: it is not read.
"""

import struct
from typing import Final, Self

import msgspec

from casemate.errors import PeerError

REQUEST_SIZE: Final = 37
NONCE_SIZE: Final = 32
SIGNATURE_SIZE: Final = 96
"""ECDSA on P-384."""
LARGEST: Final = 64 * 1024
"""Bytes of a report that are looked at; a real one has about 4 KB."""

VERSION: Final = 0x11
"""SPDM 1.1."""
GET_MEASUREMENTS: Final = 0xE0
MEASUREMENTS: Final = 0x60
WITH_SIGNATURE: Final = 0x01
"""Bit of the request's first parameter."""
ALL_MEASUREMENTS: Final = 0xFF
"""The request's second parameter."""
DMTF: Final = 1
"""Specification of a measurement block."""

_SPEC: Final = "tee §13, DSP0274 10.11"
_REQUEST: Final = struct.Struct("<BBBB32sB")
_RESPONSE: Final = struct.Struct("<BBBBB")
_BLOCK: Final = struct.Struct("<BBHBH")  # index, specification, size; type, size of the value
_BLOCK_HEAD: Final = 4
_VALUE_HEAD: Final = 3
_OPAQUE_SIZE: Final = struct.Struct("<H")


class Measurement(msgspec.Struct, frozen=True):
    """One measurement block."""

    index: int
    """From 1."""
    kind: int
    """DMTF's type: 1 is firmware; bit 7 says that the value is not hashed."""
    value: bytes


class Request(msgspec.Struct, frozen=True):
    """GET_MEASUREMENTS."""

    version: int
    code: int
    attributes: int
    operation: int
    nonce: bytes
    """32 bytes: what the report is bound to."""
    slot: int

    def encode(self) -> bytes:
        """Write 37 bytes."""
        return _REQUEST.pack(
            self.version, self.code, self.attributes, self.operation, self.nonce, self.slot
        )


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """MEASUREMENTS, without its signature."""

    version: int
    code: int
    parameters: tuple[int, int]
    measurements: tuple[Measurement, ...]
    nonce: bytes
    """32 bytes of the responder's own."""
    opaque: bytes

    def encode(self) -> bytes:
        """Write all that is signed of it."""
        blocks = b"".join(
            _BLOCK.pack(one.index, DMTF, len(one.value) + _VALUE_HEAD, one.kind, len(one.value))
            + one.value
            for one in self.measurements
        )
        return b"".join(
            (
                _RESPONSE.pack(self.version, self.code, *self.parameters, len(self.measurements)),
                len(blocks).to_bytes(3, "little"),
                blocks,
                self.nonce,
                _OPAQUE_SIZE.pack(len(self.opaque)),
                self.opaque,
            )
        )


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Request and response, as they were exchanged."""

    request: Request
    response: Response
    signed: bytes
    """Request and response up to the signature."""
    signature: bytes
    """96 bytes."""
    tail: int
    """Bytes behind the signature."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a report of at most 64 KiB.

        Raises:
            PeerError: cut, a length that does not fit, a block of another specification or twice.
        """
        if len(raw) > LARGEST:
            raise _error("report", f"{len(raw)} bytes", f"at most {LARGEST}")
        try:
            return cls._parse(raw)
        except struct.error as error:
            raise _error("report", f"{len(raw)} bytes", "a whole request and response") from error

    @classmethod
    def _parse(cls, raw: bytes) -> Self:
        request = Request(*_REQUEST.unpack_from(raw))
        version, code, first, second, count = _RESPONSE.unpack_from(raw, REQUEST_SIZE)
        at = REQUEST_SIZE + _RESPONSE.size + 3
        size = int.from_bytes(raw[at - 3 : at], "little")
        measurements = _measurements(raw[at : at + size], size, count)
        at += size
        nonce = raw[at : at + NONCE_SIZE]
        at += NONCE_SIZE
        (opaque_size,) = _OPAQUE_SIZE.unpack_from(raw, at)
        at += _OPAQUE_SIZE.size
        opaque = raw[at : at + opaque_size]
        at += opaque_size
        signature = raw[at : at + SIGNATURE_SIZE]
        if len(signature) != SIGNATURE_SIZE:
            raise _error("report", f"{len(raw)} bytes", f"at least {at + SIGNATURE_SIZE}")
        return cls(
            request=request,
            response=Response(
                version=version,
                code=code,
                parameters=(first, second),
                measurements=measurements,
                nonce=nonce,
                opaque=opaque,
            ),
            signed=raw[:at],
            signature=signature,
            tail=len(raw) - at - SIGNATURE_SIZE,
        )


def looks_like(raw: bytes) -> bool:
    """Say whether bytes begin as a report does."""
    return raw[:2] == bytes((VERSION, GET_MEASUREMENTS))


def _measurements(record: bytes, size: int, count: int) -> tuple[Measurement, ...]:
    if len(record) != size:
        raise _error("measurement record", f"{len(record)} bytes", f"{size} bytes")
    found: dict[int, Measurement] = {}
    at = 0
    while at < size:
        index, specification, block_size, kind, value_size = _BLOCK.unpack_from(record, at)
        begin = at + _BLOCK.size
        value = record[begin : begin + value_size]
        if specification != DMTF:
            raise _error(f"measurement {index}", f"specification {specification}", "1 (DMTF)")
        if block_size != value_size + _VALUE_HEAD or len(value) != value_size:
            raise _error(
                f"measurement {index}",
                f"a block of {block_size} with a value of {value_size} bytes",
                "sizes that fit",
            )
        if index in found:
            raise _error(f"measurement {index}", "it twice", "each once")
        found[index] = Measurement(index, kind, value)
        at += _BLOCK_HEAD + block_size
    if len(found) != count:
        raise _error("measurement record", f"{len(found)} blocks", f"{count}, as announced")
    return tuple(found.values())


def _error(where: str, got: str, want: str) -> PeerError:
    return PeerError(where, got=got, want=want, spec=_SPEC)
