"""What Intel says of a TCB level, and how the statuses of several parts combine (tee §4.5)."""

from enum import IntFlag, StrEnum
from typing import Final


class TcbStatus(StrEnum):
    """Status of a level, as TCB info, QE identity and claims spell it."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING = "SWHardeningNeeded"
    CONFIGURATION = "ConfigurationNeeded"
    CONFIGURATION_AND_SW_HARDENING = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION = "OutOfDateConfigurationNeeded"
    RELAUNCH_ADVISED = "TDRelaunchAdvised"
    RELAUNCH_ADVISED_CONFIGURATION = "TDRelaunchAdvisedConfigurationNeeded"
    REVOKED = "Revoked"


class Need(IntFlag):
    """What a platform lacks; a status is a set of needs."""

    NOTHING = 0
    SW_HARDENING = 1
    CONFIGURATION = 2
    RELAUNCH = 4
    UPDATE = 8
    TRUST = 16


NEEDS: Final = {
    TcbStatus.UP_TO_DATE: Need.NOTHING,
    TcbStatus.SW_HARDENING: Need.SW_HARDENING,
    TcbStatus.CONFIGURATION: Need.CONFIGURATION,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING: Need.CONFIGURATION | Need.SW_HARDENING,
    TcbStatus.OUT_OF_DATE: Need.UPDATE,
    TcbStatus.OUT_OF_DATE_CONFIGURATION: Need.UPDATE | Need.CONFIGURATION,
    TcbStatus.RELAUNCH_ADVISED: Need.RELAUNCH,
    TcbStatus.RELAUNCH_ADVISED_CONFIGURATION: Need.RELAUNCH | Need.CONFIGURATION,
    TcbStatus.REVOKED: Need.TRUST,
}
_STATUSES: Final = {need: status for status, need in NEEDS.items()}
_COVERS: Final = {
    Need.TRUST: ~Need.TRUST,
    Need.UPDATE: Need.SW_HARDENING | Need.RELAUNCH,
    Need.RELAUNCH: Need.SW_HARDENING,
}
"""A need → those that no status names beside it: the worse one stands for both."""

OF_PLATFORM: Final = frozenset(TcbStatus) - {
    TcbStatus.RELAUNCH_ADVISED,
    TcbStatus.RELAUNCH_ADVISED_CONFIGURATION,
}
"""What a platform's level may have; that a launch would help is found by comparing."""
OF_ENCLAVE: Final = frozenset(
    {
        TcbStatus.UP_TO_DATE,
        TcbStatus.CONFIGURATION,
        TcbStatus.OUT_OF_DATE,
        TcbStatus.OUT_OF_DATE_CONFIGURATION,
        TcbStatus.REVOKED,
    }
)
"""What the level of a quoting enclave may have."""
OF_MODULE: Final = frozenset({TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED})
"""What the level of a TDX module may have."""


def combine(*statuses: TcbStatus) -> TcbStatus:
    """Give the status of a whole whose parts have these: every need of each, the worst first."""
    needs = Need.NOTHING
    for status in statuses:
        needs |= NEEDS[status]
    for worse, covered in _COVERS.items():
        if worse in needs:
            needs &= ~covered
    return _STATUSES[needs]
