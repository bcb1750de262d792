"""Bit fields of a report (tee §3.3), by the names of their claims."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

POLICY: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        16: ("smt_allowed", "the host may use simultaneous multithreading"),
        18: ("migrate_ma", "a migration agent may move the VM"),
        19: ("debug_allowed", "the host may read and write the VM's memory"),
        20: ("single_socket", "the VM runs on one socket only"),
        21: ("cxl_allowed", "memory behind CXL may be used"),
        22: ("mem_aes_256_xts", "memory must be encrypted with AES-256-XTS"),
        23: ("rapl_dis", "power measurement (RAPL) must be off"),
        24: ("ciphertext_hiding", "ciphertext of DRAM must be hidden from the host"),
        25: ("page_swap_disabled", "the host must not move pages of the VM"),
    }
)
"""Bit of the guest's policy → claim (after ``policy_``), and what it means when set."""

MUST_BE_ONE: Final = 17
"""The one reserved bit of a policy that is set."""
MIGRATION: Final = 18
DEBUG: Final = 19
POLICY_KNOWN: Final = 0xFFFF | sum(1 << bit for bit in (*POLICY, MUST_BE_ONE))

PLATFORM: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        0: ("smt_enabled", "simultaneous multithreading is on"),
        1: ("tsme_enabled", "all memory is encrypted (TSME)"),
        2: ("ecc_enabled", "memory has error correction"),
        3: ("rapl_disabled", "power measurement (RAPL) is off"),
        4: ("ciphertext_hiding_enabled", "ciphertext of DRAM is hidden from the host"),
        5: ("alias_check_complete", "no memory addresses are aliases since the last reset"),
        7: ("tio_enabled", "trusted IO is on"),
    }
)
"""Bit of the platform's info → claim (after ``platform_``), and what it means when set."""

PLATFORM_KNOWN: Final = sum(1 << bit for bit in PLATFORM)

AUTHOR_KEY: Final = 0
CHIP_KEY_MASK: Final = 1
KEY_INFO_KNOWN: Final = 0x1F


def signing_key(key_info: int) -> int:
    """Give bits 4:2 of the key info: 0 VCEK, 1 VLEK, 7 none."""
    return key_info >> 2 & 7


def abi(policy: int) -> tuple[int, int]:
    """Give the least ABI version that the guest asked for: major, minor."""
    return policy >> 8 & 0xFF, policy & 0xFF


POLICY_CLAIMS: Final = tuple((f"policy_{name}", 1 << bit) for bit, (name, _) in POLICY.items())
PLATFORM_CLAIMS: Final = tuple(
    (f"platform_{name}", 1 << bit) for bit, (name, _) in PLATFORM.items()
)
"""Claim, and the mask of its bit."""
