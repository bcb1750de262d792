"""Attester of the sample device: it repeats what it is told (tee §2)."""

from typing import Final

import msgspec

from casemate.tee.machine import Machine

TEE: Final = "sampledevice"
SVN: Final = "2"


class SampleDevice:
    """A device without a proof."""

    @property
    def tee(self) -> str:
        return TEE

    def evidence(self, report_data: bytes) -> bytes:
        return msgspec.json.encode({"svn": SVN, "report_data": report_data})


def open_attester(_machine: Machine) -> SampleDevice:
    """Make it."""
    return SampleDevice()
