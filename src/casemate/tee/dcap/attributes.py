"""Attributes of TDs and enclaves: which bits mean what (Intel TDX module 1.5 ABI, ATTRIBUTES)."""

from types import MappingProxyType
from typing import Final

TD_BITS: Final = MappingProxyType(
    {
        0: ("debug", "the host can look into the TD"),
        4: ("hgs_plus_prof", "Hardware Guided Scheduling of the TD is profiled"),
        5: ("perf_prof", "the host may profile the TD by performance counters"),
        6: ("pmt_prof", "the host may profile the TD by telemetry"),
        16: ("icssd", "indirect branches and stale data are contained"),
        27: ("lass", "linear address space separation is on"),
        28: ("septve_disable", "the host cannot inject #VE by taking pages away"),
        29: ("migratable", "a migration TD may move the TD to another machine"),
        30: ("protection_keys", "supervisor protection keys may be used"),
        31: ("key_locker", "Key Locker may be used"),
        62: ("tpa", "the TD may attest other TDs"),
        63: ("perfmon", "the TD may use performance counters"),
    }
)
"""Bit of td_attributes (8 bytes, little-endian) → name and meaning."""
TD_CLAIMS: Final = ("debug", "septve_disable", "protection_keys", "key_locker", "perfmon")
"""Upstream's claims (tee §4.6)."""
UNDER_DEBUG: Final = 0xFF
"""Bits 7:0: any of them makes the TD one that is looked into ("TUD")."""
MIGRATABLE: Final = 1 << 29
SEPT_VE_DISABLE: Final = 1 << 28
KNOWN: Final = sum(1 << bit for bit in TD_BITS)

SGX_DEBUG: Final = 1 << 1
"""Of attributes.flags: the enclave's memory can be read."""


def number(attributes: bytes) -> int:
    """Read attributes, 8 bytes little-endian."""
    return int.from_bytes(attributes, "little")


def td_names(attributes: bytes) -> str:
    """Name the bits that are set, for people: ``septve_disable, bit 33``."""
    bits = number(attributes)
    return (
        ", ".join(TD_BITS.get(one, (f"bit {one}", ""))[0] for one in range(64) if bits >> one & 1)
        or "none"
    )


def td_claims(attributes: bytes) -> dict[str, bool]:
    """Give upstream's claims ``td_attributes``."""
    bits = number(attributes)
    at = {name: bit for bit, (name, _) in TD_BITS.items()}
    return {name: bool(bits >> at[name] & 1) for name in TD_CLAIMS}
