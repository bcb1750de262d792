"""Claims of a device (tee §13), upstream's names and forms, and ours beside them."""

from types import MappingProxyType
from typing import Any, Final

from casemate.tee.nvidia.architecture import Architecture
from casemate.tee.nvidia.opaque import Opaque
from casemate.tee.nvidia.spdm import Report


def claims(
    architecture: Architecture, uuid: str, report: Report, opaque: Opaque, own: dict[str, Any]
) -> dict[str, Any]:
    """Give the claims of a verified device.

    Ours: ``report_data`` (the nonce), ``uuid_verified`` (false: nobody signs the uuid),
    ``opaque_unknown`` (fields that have no name yet) and what ``own`` holds.
    """
    return {
        "arch": architecture.claim,
        "uuid": uuid,
        "measurements": {str(one.index): one.value.hex() for one in report.response.measurements},
        "config": dict(opaque.config),
        "report_data": report.request.nonce.hex(),
        "uuid_verified": False,
        "opaque_unknown": opaque.unknown(),
        **own,
    }


_SOURCES: Final = MappingProxyType(
    {
        "arch": "device_evidence_list[].arch, as the device's certificates say too",
        "uuid": "device_evidence_list[].uuid, signed by nobody",
        "uuid_verified": "device_evidence_list[].uuid, signed by nobody",
        "measurements": "SPDM measurements, signed by the device",
        "config": "SPDM opaque data, signed by the device",
        "opaque_unknown": "SPDM opaque data, signed by the device",
        "report_data": "SPDM request nonce, signed by the device",
        "switch_count": "SPDM opaque data switch_pdi of every device, signed by each",
        "gpu_count": "SPDM opaque data switch_pdi of every device, signed by each",
        "revocation_checked": "revocation lists and OCSP answers of the collateral",
        "manifests": "reference manifests of the collateral",
    }
)


def evidence_field(claim: str) -> str:
    """Name the part of the evidence that a claim comes from; empty if none."""
    head, _, name = claim.partition(".")
    if head.startswith("x-nvidia"):
        return "token of NVIDIA's attestation service"
    found = _SOURCES.get(head, "")
    return f"{found}: {name}" if found and name else found
