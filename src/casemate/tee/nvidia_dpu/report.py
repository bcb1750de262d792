"""Evidence of a DPU, JSON of the wire (tee §14); certificates are DER, all bytes base64.

{"version": 1, "devices": [{"architecture", "alias_cert", "device_id_cert",
                            "report_data_signature"}]}                        just one device
"""

from typing import Final

import msgspec

from casemate.errors import PeerError
from casemate.tee.evidence import parse_json

TEE: Final = "nvidia-dpu"
DEVICE_CLASS: Final = "nvidia-dpu"
"""EAR submodule prefix."""
VERSION: Final = 1
ARCHITECTURES: Final = ("bluefield3",)
SIGNED_SIZE: Final = 64
"""Bytes that an attester signs: report data, padded with zeros."""
RAW_SIGNATURE: Final = 96
"""Bytes of ``r || s`` on P-384, the form beside DER."""


class DpuDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One DPU."""

    architecture: str
    alias_cert: bytes
    """DER; made at every start, certifies the key that signs."""
    device_id_cert: bytes
    """DER; certifies the device, and the firmware that derived the alias key."""
    report_data_signature: bytes
    """ECDSA P-384 with SHA-384, DER or ``r || s``."""


class DpuEvidence(msgspec.Struct, frozen=True):
    """The evidence object."""

    version: int
    devices: tuple[DpuDevice, ...]


def read(raw: bytes) -> DpuDevice:
    """Read evidence and give its one device.

    Raises:
        PeerError: another shape, version, architecture or number of devices.
    """
    evidence = parse_json(raw, DpuEvidence, TEE)
    if evidence.version != VERSION:
        raise PeerError("version", got=evidence.version, want=str(VERSION), spec="tee §14")
    if len(evidence.devices) != 1:
        raise PeerError("devices", got=len(evidence.devices), want="exactly one", spec="tee §14")
    (device,) = evidence.devices
    if device.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise PeerError("architecture", got=device.architecture, want=known, spec="tee §14")
    return device
