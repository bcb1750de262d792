"""The paravisor's report as the guest reads it from its TPM (tee §7.2), little-endian.

    0     32  head
    32  1184  hardware report: of SNP, or a TDREPORT (1024) and zeros
    1216  20  head of the runtime data
    1236   n  variable data, JSON: the TPM's keys, the VM's configuration, the guest's own bytes

The heads are unsigned; the hardware report binds the variable data by its SHA-256, so everything
else here is read strictly and trusted for nothing. What follows the variable data is the rest of
the TPM's NV index: zeros that nobody reads.
"""

import hashlib
import struct
from enum import IntEnum
from typing import Final, NamedTuple, Self

import msgspec

from casemate.errors import PeerError

SIGNATURE: Final = b"HCLA"
VERSIONS: Final = frozenset({1, 2})
REQUEST_REPORT: Final = 2
RUNTIME_VERSION: Final = 1
HASH_SHA256: Final = 1
HARDWARE_OFFSET: Final = 32
HARDWARE_SIZE: Final = 1184
RUNTIME_OFFSET: Final = HARDWARE_OFFSET + HARDWARE_SIZE
VARIABLE_OFFSET: Final = RUNTIME_OFFSET + 20
NV_SIZE: Final = 2600
"""Bytes of the NV index that holds it."""
LARGEST: Final = 64 * 1024
"""Bytes that are looked at."""

_SPEC: Final = "tee §7.2"


class Kind(IntEnum):
    """Which hardware made the report inside."""

    SNP = 2
    TDX = 4


class Part(NamedTuple):
    """A row of the layout: one field of a head."""

    name: str
    offset: int
    form: str
    """Of ``struct``: I is a number of 4 bytes, Ns are N bytes."""
    meaning: str

    @property
    def size(self) -> int:
        """Bytes."""
        return struct.calcsize("<" + self.form)


LAYOUT: Final = (
    Part("signature", 0, "4s", "HCLA"),
    Part("version", 4, "I", "1 or 2"),
    Part("report_size", 8, "I", "bytes up to the end of the variable data"),
    Part("request_type", 12, "I", "2, a report"),
    Part("status", 16, "I", "0, success"),
    Part("reserved", 20, "12s", "zeros"),
    Part("hardware_report", HARDWARE_OFFSET, f"{HARDWARE_SIZE}s", "what the processor signed"),
    Part("data_size", 1216, "I", "bytes of this head and the variable data"),
    Part("data_version", 1220, "I", "1"),
    Part("report_type", 1224, "I", "2 SNP, 4 TDX"),
    Part("hash_type", 1228, "I", "1 SHA-256: how the variable data is hashed"),
    Part("variable_data_size", 1232, "I", "bytes of the variable data"),
)
"""Everything but the variable data; the rows follow each other without a gap."""

_STRUCT: Final = struct.Struct("<" + "".join(part.form for part in LAYOUT))
_RUNTIME_HEAD: Final = VARIABLE_OFFSET - RUNTIME_OFFSET


class HclReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it came: well formed, and nothing more."""

    version: int = 2
    kind: Kind
    hardware_report: bytes
    """1184 bytes."""
    variable_data: bytes
    """JSON, byte for byte as it was hashed."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a report; whatever stands behind the variable data is left alone.

        Raises:
            PeerError: a constant or a size is another than tee §7.2 has it, or it is cut.
        """
        if not VARIABLE_OFFSET <= len(raw) <= LARGEST:
            raise _broken("size", len(raw), f"{VARIABLE_OFFSET} to {LARGEST} bytes")
        fields = _STRUCT.unpack_from(raw)
        (signature, version, report_size, request, status, reserved, hardware) = fields[:7]
        (data_size, data_version, kind, hash_type, size) = fields[7:]
        _require("signature", signature, signature == SIGNATURE, SIGNATURE.decode())
        _require("version", version, version in VERSIONS, "1 or 2")
        _require("request type", request, request == REQUEST_REPORT, "2")
        _require("status", status, status == 0, "0")
        _require("reserved bytes", reserved, not any(reserved), "zeros")
        _require("data version", data_version, data_version == RUNTIME_VERSION, "1")
        _require("hash type", hash_type, hash_type == HASH_SHA256, "1 (SHA-256)")
        known = kind in {known.value for known in Kind}
        _require("report type", kind, known, "2 (SNP) or 4 (TDX)")
        fits = size <= len(raw) - VARIABLE_OFFSET
        _require("variable data size", size, fits, f"at most {len(raw) - VARIABLE_OFFSET}")
        whole = data_size == size + _RUNTIME_HEAD
        _require("data size", data_size, whole, f"{size + _RUNTIME_HEAD}")
        whole = report_size == size + VARIABLE_OFFSET
        _require("report size", report_size, whole, f"{size + VARIABLE_OFFSET}")
        return cls(
            version=version,
            kind=Kind(kind),
            hardware_report=hardware,
            variable_data=raw[VARIABLE_OFFSET : VARIABLE_OFFSET + size],
        )

    def encode(self, size: int = NV_SIZE) -> bytes:
        """Write the report, padded with zeros to the ``size`` of its NV index."""
        count = len(self.variable_data)
        head = _STRUCT.pack(
            SIGNATURE,
            self.version,
            count + VARIABLE_OFFSET,
            REQUEST_REPORT,
            0,
            bytes(12),
            self.hardware_report,
            count + _RUNTIME_HEAD,
            RUNTIME_VERSION,
            self.kind,
            HASH_SHA256,
            count,
        )
        return (head + self.variable_data).ljust(size, b"\0")

    @property
    def binding(self) -> bytes:
        """What the hardware's report data must be: SHA-256 of the variable data, and 32 zeros."""
        return hashlib.sha256(self.variable_data).digest() + bytes(32)


def _require(
    what: str,
    got: object,
    condition: bool,  # noqa: FBT001  # reads as an assertion
    want: str,
) -> None:
    if not condition:
        raise _broken(what, got, want)


def _broken(what: str, got: object, want: str) -> PeerError:
    shown = got.hex() if isinstance(got, bytes) else got
    return PeerError(f"HCL report, {what}", got=shown, want=want, spec=_SPEC)
