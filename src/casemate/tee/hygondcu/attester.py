"""Attester of Hygon's accelerators: one report each (tee §11)."""

import struct
from typing import Any, Final

import msgspec

from casemate.errors import HostError
from casemate.linux import mkfd
from casemate.linux.mkfd import Mkfd
from casemate.tee.machine import Machine
from casemate.tee.report_data import padded

TEE: Final = "hygondcu"
REPORT_DATA_SIZE: Final = 64
_REPORT: Final = struct.Struct("<I16s64s32s128sII72s72s")


class DcuAttester:
    """All accelerators of this machine."""

    def __init__(self, devices: Mkfd) -> None:
        self._devices = devices

    @property
    def tee(self) -> str:
        return TEE

    def evidence(self, report_data: bytes) -> bytes:
        """Ask each accelerator for a report bound to ``report_data``, padded to 64 bytes.

        Raises:
            HostError: there is none, or one refuses.
            InputError: over 64 bytes.
        """
        data = padded(report_data, REPORT_DATA_SIZE)
        reports = [_report(self._devices.report(one, data)) for one in self._devices.devices()]
        if not reports:
            raise HostError("Hygon DCU", got="no accelerator", want="one or more", spec="tee §11")
        return msgspec.json.encode({"attestation_reports": reports})


def _report(raw: bytes) -> dict[str, Any]:
    version, chip, user_data, measure, reserved, usage, algorithm, r, s = _REPORT.unpack(raw)
    return {
        "body": {
            "version": version,
            "chip_id": list(chip),
            "user_data": list(user_data),
            "measure": list(measure),
            "reserved": list(reserved),
            "sig_usage": usage,
            "sig_algo": algorithm,
        },
        "sig": {"r": list(r), "s": list(s)},
    }


def open_attester(machine: Machine) -> DcuAttester:
    """Make the attester of a machine."""
    return DcuAttester(Mkfd(machine.path(mkfd.DEVICE), machine.path(mkfd.NODES)))
