"""Run-time measurement of each TEE that has registers: its hash, and which register a PCR means.

Containers name TPM registers, whatever the TEE (tee §1.4). Nothing here touches a device.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from casemate.errors import HostError
from casemate.wire.tpm import ALG_SHA256, ALG_SHA384, ALG_SM3

LAST_PCR: Final = 23


class Runtime(NamedTuple):
    """The registers of a TEE."""

    bank: int
    """TCG's identifier of the hash."""
    register: Callable[[int], int]
    """PCR → register; the number that stands in the event log."""


def _itself(pcr: int) -> int:
    return pcr


def _tdx(pcr: int) -> int:
    match pcr:
        case 1 | 7:
            return 1
        case 2 | 3 | 4 | 5 | 6:
            return 2
        case 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15:
            return 3
        case _:
            return 4


def _csv(pcr: int) -> int:
    return _tdx(pcr) if pcr else 0


_TPM: Final = Runtime(ALG_SHA256, _itself)

RUNTIME: Final[Mapping[str, Runtime]] = MappingProxyType(
    {
        "az-snp-vtpm": _TPM,
        "az-tdx-vtpm": _TPM,
        "csv": Runtime(ALG_SM3, _csv),
        "tdx": Runtime(ALG_SHA384, _tdx),
        "tpm": _TPM,
    }
)
"""TEE → its registers; the others have none."""


def no_registers(tee: str, register: int) -> HostError:
    """Make the error of extending a register of a TEE that has none."""
    return HostError(
        f"runtime measurement of {tee}",
        got=f"register {register}",
        want="a TEE with registers",
        spec="tee §1.4",
    )
