"""NVIDIA evidence (tee §13): several devices in JSON of the wire, or one report alone."""

import binascii
import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from casemate.crypto.certificate import Certificate
from casemate.crypto.pem import blocks
from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import PeerError
from casemate.tee.evidence import parse_json
from casemate.tee.nvidia.architecture import Architecture
from casemate.tee.nvidia.architecture import parse as parse_architecture
from casemate.tee.nvidia.spdm import looks_like

TEE: Final = "nvidia"
MOST_DEVICES: Final = 64
"""Devices of one machine; eight GPUs and four switches are a common one."""
MOST_CERTIFICATES: Final = 10
UNKNOWN_UUID: Final = "unknown"

_SPEC: Final = "tee §13"
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")


class DeviceJson(msgspec.Struct, frozen=True):
    """One device's evidence."""

    arch: str
    evidence: str
    """The SPDM exchange, hex or base64."""
    certificate: bytes
    """A PEM chain, base64."""
    uuid: str = UNKNOWN_UUID


class EvidenceJson(msgspec.Struct, frozen=True):
    """Evidence of the wire."""

    device_evidence_list: Annotated[
        tuple[DeviceJson, ...], Meta(min_length=1, max_length=MOST_DEVICES)
    ]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """What one device, or whoever speaks for it, shows."""

    architecture: Architecture | None
    """None when a report came alone: its certificates say it."""
    uuid: str
    """Nobody signs it."""
    report: bytes
    chain: tuple[Certificate, ...] | None
    """Leaf first; None when a report came alone."""


def parse(raw: bytes, memory: ChainMemory | None = None) -> tuple[Device, ...]:
    """Read evidence: JSON, or an SPDM exchange, which begins with its version.

    A memory keeps chains as they were read.

    Raises:
        PeerError: neither, an unknown architecture, or a chain that cannot be read.
    """
    if looks_like(raw):
        return (Device(architecture=None, uuid=UNKNOWN_UUID, report=raw, chain=None),)
    json = parse_json(raw, EvidenceJson, TEE)
    return tuple(
        Device(
            architecture=parse_architecture(one.arch),
            uuid=one.uuid,
            report=_bytes(one.evidence),
            chain=_chain_of(one.certificate, memory),
        )
        for one in json.device_evidence_list
    )


def _bytes(text: str) -> bytes:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise PeerError("evidence", got=text, want="hex or base64", spec=_SPEC) from error


def _chain_of(pem: bytes, memory: ChainMemory | None) -> tuple[Certificate, ...]:
    return memory.read_strangers(_chain, pem) if memory else _chain(pem)


def _chain(pem: bytes) -> tuple[Certificate, ...]:
    found = blocks(pem, "CERTIFICATE")
    if len(found) > MOST_CERTIFICATES:
        raise PeerError(
            "certificate", got=f"{len(found)}", want=f"at most {MOST_CERTIFICATES}", spec=_SPEC
        )
    return tuple(map(Certificate.parse, found))
