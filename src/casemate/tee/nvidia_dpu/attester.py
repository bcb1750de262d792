"""Attester of a BlueField DPU, on the DPU itself: its DICE key signs the report data (tee §14).

The kernel hands the key out; changed firmware gets another one.
"""

from pathlib import Path
from typing import Final

import msgspec

from casemate.crypto.algorithms import Kind
from casemate.crypto.keys import PrivateKey
from casemate.errors import HostError, InputError
from casemate.secret import Secret
from casemate.tee.machine import Machine
from casemate.tee.report_data import padded

TEE: Final = "nvidia-dpu"
ARCHITECTURE: Final = "bluefield3"
REPORT_DATA_SIZE: Final = 64
KEY: Final = Path("/sys/kernel/security/tee/dice/alias_private_key")
ADAPTERS: Final = Path("/sys/class/infiniband")
_FOLDER: Final = "device/attestation"
_KEY_SIZE: Final = 48
_LARGEST: Final = 64 << 10
_REMEDY: Final = "needs mlx5_core and mlnx_bf_attestation of DOCA 2.8 or later"


class DpuAttester:
    """The DPU that this system runs on."""

    def __init__(self, key: Path, adapters: Path) -> None:
        self._key = key
        self._adapters = adapters

    @property
    def tee(self) -> str:
        return TEE

    def evidence(self, report_data: bytes) -> bytes:
        """Sign ``report_data``, padded to 64 bytes, with the alias key; certificates go beside it.

        Raises:
            HostError: key or certificates are not there, or are none.
            InputError: over 64 bytes.
        """
        signed = padded(report_data, REPORT_DATA_SIZE)
        folder = self._certificates()
        device = {
            "architecture": ARCHITECTURE,
            "alias_cert": _read(folder / "alias_cert"),
            "device_id_cert": _read(folder / "device_id_cert"),
            "report_data_signature": self._sign(signed),
        }
        return msgspec.json.encode({"version": 1, "devices": [device]})

    def _certificates(self) -> Path:
        """Find the first adapter that shows certificates, by name."""
        adapters = sorted(self._adapters.iterdir()) if self._adapters.is_dir() else []
        for adapter in adapters:
            if (adapter / _FOLDER).is_dir():
                return adapter / _FOLDER
        raise HostError(
            str(self._adapters),
            got="no adapter with attestation",
            want="a BlueField-3",
            spec="tee §14",
            remedy=_REMEDY,
        )

    def _sign(self, message: bytes) -> bytes:
        """Give r and s, 48 bytes each, big-endian."""
        with Secret(_read(self._key)) as scalar:
            if len(scalar) != _KEY_SIZE:
                raise HostError(str(self._key), got=f"{len(scalar)} bytes", want="48, P-384")
            try:
                return PrivateKey.from_scalar(scalar, Kind.P384).sign(message, "ES384")
            except InputError as error:
                raise HostError(str(self._key), got="no key", want="a P-384 key") from error


def open_attester(machine: Machine) -> DpuAttester:
    """Make the attester of a machine."""
    return DpuAttester(machine.path(KEY), machine.path(ADAPTERS))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise HostError(
            str(file), got=error.strerror, want="a readable file", remedy=_REMEDY
        ) from error
    if not 0 < len(content) <= _LARGEST:
        raise HostError(str(file), got=f"{len(content)} bytes", want=f"1 to {_LARGEST} bytes")
    return content
