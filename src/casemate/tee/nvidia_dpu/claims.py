"""Claims of a DPU as upstream writes them, and ours beside them."""

from types import MappingProxyType
from typing import Any, Final

from casemate.crypto.certificate import Certificate
from casemate.tee.nvidia_dpu.tcb_info import FirmwareId, accumulated

_SOURCES: Final = MappingProxyType(
    {
        "device_serial": "device_id_cert serial number",
        "device_class": "device_id_cert subject CN",
        "firmware_layers_count": "device_id_cert TcbInfo fwids",
        "accumulated_fwid": "device_id_cert TcbInfo fwids",
        "alias_timestamp": "alias_cert not before",
        "session_nonce": "report_data_signature",
        "report_data": "report_data_signature",
        "architecture": "architecture, which nothing signs",
        "alias_serial": "alias_cert serial number",
        "firmware_layers": "device_id_cert TcbInfo fwids",
        "alias_firmware_layers": "alias_cert TcbInfo fwids",
    }
)


def claims_of(
    device_id: Certificate,
    alias: Certificate,
    device_layers: tuple[FirmwareId, ...],
    alias_layers: tuple[FirmwareId, ...],
    architecture: str,
) -> dict[str, Any]:
    """Give the claims of a device whose freshness was not looked at (tee §14)."""
    return {
        "device_serial": f"{device_id.serial:x}",
        "device_class": device_id.common_name or "unknown",
        "firmware_layers_count": len(device_layers),
        "accumulated_fwid": accumulated(device_layers).hex(),
        "alias_timestamp": int(alias.not_before.timestamp()),
        "architecture": architecture,
        "alias_serial": f"{alias.serial:x}",
        "firmware_layers": [_layer(one) for one in device_layers],
        "alias_firmware_layers": [_layer(one) for one in alias_layers],
    }


def bound(report_data: bytes) -> dict[str, Any]:
    """Give the claims of what the signature bound."""
    return {"session_nonce": report_data.hex(), "report_data": report_data.hex()}


def evidence_field(claim: str) -> str:
    """Name the field of the evidence that a claim comes from; empty if none."""
    return _SOURCES.get(claim, "")


def _layer(one: FirmwareId) -> dict[str, str]:
    return {"algorithm": one.algorithm, "digest": one.digest.hex()}
