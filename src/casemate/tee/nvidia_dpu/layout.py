"""DPU evidence as a person reads it: its members, and what stands in both certificates."""

from casemate.crypto.certificate import Certificate
from casemate.tee.layout import Field, Section
from casemate.tee.nvidia_dpu import tcb_info
from casemate.tee.nvidia_dpu.report import RAW_SIGNATURE, read


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw it; PeerError where it cannot be read."""
    device = read(raw)
    signature = device.report_data_signature
    form = "r || s" if len(signature) == RAW_SIGNATURE else "DER"
    return (
        Section(
            "NVIDIA DPU evidence, version 1",
            (
                Field(name="architecture", value=device.architecture, meaning="nothing signs it"),
                Field(
                    name="report_data_signature",
                    value=signature.hex(),
                    meaning=f"ECDSA P-384 with SHA-384 by the alias key, {form}",
                    size=len(signature),
                ),
            ),
        ),
        _certificate("alias certificate", device.alias_cert),
        _certificate("DeviceID certificate", device.device_id_cert),
    )


def _certificate(title: str, der: bytes) -> Section:
    one = Certificate.parse(der)
    return Section(
        title,
        (
            Field(name="subject", value=one.common_name, meaning="common name"),
            Field(name="issuer", value=one.issuer_common_name, meaning="common name"),
            Field(name="serial number", value=f"{one.serial:x}"),
            Field(name="not before", value=one.not_before.isoformat()),
            Field(name="not after", value=one.not_after.isoformat()),
            Field(name="public key", value=one.spki.hex(), meaning="SubjectPublicKeyInfo"),
            Field(name="SHA-256", value=one.fingerprint.hex(), meaning="of the DER", size=len(der)),
            *(
                Field(name=f"firmware id {at}", value=layer.digest.hex(), meaning=layer.algorithm)
                for at, layer in enumerate(tcb_info.layers(one))
            ),
        ),
    )
