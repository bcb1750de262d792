"""NVIDIA's opaque data (tee §13): type, size and content, each type once; and its claims."""

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from casemate.errors import PeerError

DRIVER_VERSION: Final = 3
VBIOS_VERSION: Final = 6
NVDEC0_STATUS: Final = 11
MEASUREMENT_COUNT: Final = 12
FWID: Final = 20
SWITCH_PDI: Final = 22
INVALID: Final = 255

NAMES: Final = MappingProxyType(
    {
        1: "cert_issuer_name",
        2: "cert_authority_key_identifier",
        DRIVER_VERSION: "driver_version",
        4: "gpu_info",
        5: "id_sku",
        VBIOS_VERSION: "vbios_version",
        7: "manufacturer_id",
        8: "tamper_detection",
        9: "smc",
        10: "vpr",
        NVDEC0_STATUS: "nvdec0_status",
        MEASUREMENT_COUNT: "measurement_count",
        13: "cpr_info",
        14: "board_id",
        15: "chip_sku",
        16: "chip_sku_mod",
        17: "project",
        18: "project_sku",
        19: "project_sku_mod",
        FWID: "fwid",
        21: "protected_pcie_status",
        SWITCH_PDI: "switch_pdi",
        23: "floorswept_ports",
        24: "position_id",
        25: "lock_switch_status",
        32: "gpu_link_conn",
        33: "sys_enable_status",
        34: "opaque_data_version",
        35: "chip_info",
        36: "feature_flag",
    }
)
"""Type → name in claims. A type that is not here is kept apart: newer drivers add some."""
_FEATURES: Final = ("SPT", "MPT", "PPCIE")
_HEAD: Final = struct.Struct("<HH")
_PDI: Final = 8
_COUNT: Final = 4
_SPEC: Final = "tee §13"


class Opaque(msgspec.Struct, frozen=True):
    """The fields, by type."""

    fields: Mapping[int, bytes]
    config: Mapping[str, Any]
    """Claims of the fields whose names are known, by name."""

    @classmethod
    def parse(cls, raw: bytes) -> "Opaque":
        """Read the fields.

        Raises:
            PeerError: one that is cut, there twice, marked as invalid, or none of its type.
        """
        found: dict[int, bytes] = {}
        at = 0
        while at < len(raw):
            if at + _HEAD.size > len(raw):
                raise _error("opaque data", f"{len(raw) - at} bytes left", "type and size")
            kind, size = _HEAD.unpack_from(raw, at)
            at += _HEAD.size
            value = raw[at : at + size]
            if len(value) != size:
                raise _error(f"opaque field {kind}", f"{len(value)} bytes", f"{size} bytes")
            if kind in found or kind == INVALID:
                raise _error("opaque data", f"field {kind}", "each once, none invalid (255)")
            found[kind] = value
            at += size
        claims = {NAMES[kind]: _claim(kind, one) for kind, one in found.items() if kind in NAMES}
        return cls(MappingProxyType(found), MappingProxyType(claims))

    def unknown(self) -> dict[str, str]:
        """Give the other fields: type → hex."""
        return {str(k): value.hex() for k, value in self.fields.items() if k not in NAMES}

    def pdis(self) -> frozenset[bytes]:
        """Give the identifiers of field 22, 8 bytes each; those of disabled links are left out.

        Raises:
            PeerError: they are not 8 bytes each.
        """
        found = _pieces(SWITCH_PDI, self.fields.get(SWITCH_PDI, b""), _PDI)
        return frozenset(one for one in found if any(one))


def encode(fields: Mapping[int, bytes]) -> bytes:
    """Write fields in the order given."""
    return b"".join(_HEAD.pack(kind, len(value)) + value for kind, value in fields.items())


def vbios_version(value: bytes) -> str:
    """Write a VBIOS version as people do: ``009f009601000000`` is ``96.00.9f.00.01``.

    Raises:
        PeerError: it is not 8 bytes.
    """
    half = len(value) // 2
    if len(value) != 8:
        raise _error("vbios_version", f"{len(value)} bytes", "8 bytes")
    parts = (*reversed(value[:half]), value[half])
    return ".".join(f"{part:02x}" for part in parts)


def _claim(kind: int, value: bytes) -> Any:
    form = _FORMS.get(kind)
    return form(kind, value) if form else value.hex()


def _text(kind: int, value: bytes) -> str:
    try:
        return value.decode("ascii").replace("\0", "")
    except UnicodeDecodeError as error:
        raise _error(NAMES[kind], value.hex(), "text") from error


def _counts(kind: int, value: bytes) -> dict[str, int]:
    if len(value) % _COUNT:
        raise _error(NAMES[kind], f"{len(value)} bytes", f"pieces of {_COUNT}")
    numbers = struct.unpack(f"<{len(value) // _COUNT}I", value)
    return {str(n): number for n, number in enumerate(numbers, 1)}


def _feature(kind: int, value: bytes) -> str:
    number = int.from_bytes(value, "little")
    if number >= len(_FEATURES):
        raise _error(NAMES[kind], str(number), "0 (SPT), 1 (MPT) or 2 (PPCIE)")
    return _FEATURES[number]


def _pieces(kind: int, value: bytes, size: int) -> list[bytes]:
    if len(value) % size:
        raise _error(NAMES[kind], f"{len(value)} bytes", f"pieces of {size}")
    return [value[at : at + size] for at in range(0, len(value), size)]


_FORMS: Final[dict[int, Callable[[int, bytes], Any]]] = {
    **dict.fromkeys((DRIVER_VERSION, NVDEC0_STATUS, 15, 16, 17, 18, 21, 35), _text),
    VBIOS_VERSION: lambda _, value: vbios_version(value),
    MEASUREMENT_COUNT: _counts,
    SWITCH_PDI: lambda kind, value: [one.hex() for one in _pieces(kind, value, _PDI)],
    34: lambda _, value: int.from_bytes(value, "little"),
    36: _feature,
}
"""Types whose claim is not hex."""


def _error(where: str, got: str, want: str) -> PeerError:
    return PeerError(where, got=got, want=want, spec=_SPEC)
