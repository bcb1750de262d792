"""Attester of NVIDIA's GPUs and switches in confidential mode (tee §13)."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import HostError
from casemate.linux import nscq, nvml
from casemate.tee.machine import Machine

TEE: Final = "nvidia"
NONCE_SIZE: Final = 32
SWITCHES: Final = Path("/dev/nvidia-nvswitchctl")
"""There where the driver sees a switch."""

Device = dict[str, str]


class NvidiaAttester:
    """All GPUs and switches that this guest was given."""

    def __init__(
        self,
        *,
        with_switches: bool,
        gpu_library: nvml.Library | None = None,
        switch_library: nscq.Library | None = None,
    ) -> None:
        """Choose the libraries; the machine's own unless they are given."""
        self._with_switches = with_switches
        self._gpu_library = gpu_library
        self._switch_library = switch_library

    @property
    def tee(self) -> str:
        return TEE

    def evidence(self, report_data: bytes) -> bytes:
        """Ask each device for a report bound to the first 32 bytes of ``report_data``.

        Shorter data is padded with zeros. Devices that cannot attest are no part of it: what a
        policy wants to see, it must ask for.

        Raises:
            HostError: no device answers, or one refuses.
        """
        nonce = report_data[:NONCE_SIZE].ljust(NONCE_SIZE, b"\0")
        devices = [*self._gpus(nonce), *(self._switches(nonce) if self._with_switches else ())]
        if not devices:
            raise HostError(
                "NVIDIA", got="no device that attests", want="one or more", spec="tee §13"
            )
        return msgspec.json.encode({"device_evidence_list": devices})

    def why_not(self) -> str | None:
        """Say why there is nothing to attest; None when there is."""
        try:
            with nvml.opened(self._gpu_library) as library:
                if not library.confidential:
                    return "the driver's confidential mode is off"
                if not any(gpu.architecture for gpu in library.gpus()):
                    return "no GPU of a generation that attests"
        except HostError as error:
            return str(error)
        return None

    def _gpus(self, nonce: bytes) -> Iterator[Device]:
        with nvml.opened(self._gpu_library) as library:
            for gpu in library.gpus():
                architecture = gpu.architecture
                if architecture is not None:
                    yield _device(architecture, gpu.uuid, gpu.report(nonce), gpu.certificates())

    def _switches(self, nonce: bytes) -> Iterator[Device]:
        with nscq.opened(self._switch_library) as library:
            for switch in library.switches():
                if library.is_ls10(switch):
                    report = library.report(switch, nonce)
                    yield _device("LS10", switch, report, library.certificates(switch))


def _device(architecture: str, uuid: str, report: bytes, chain: bytes) -> Device:
    if not report or not chain:
        raise HostError(uuid, got="an empty report or chain", want="both", spec="tee §13")
    return {
        "arch": architecture,
        "uuid": uuid,
        "evidence": b64encode(report).decode("ascii"),
        "certificate": b64encode(chain).decode("ascii"),
    }


def open_attester(machine: Machine) -> NvidiaAttester:
    """Make the attester of a machine."""
    return NvidiaAttester(with_switches=machine.path(SWITCHES).exists())
