"""Whom a DPU's certificates must chain to: roots that the operator named, and nobody else.

No pin is shipped: the fact sheet knows no root of these chains (section 14 names only a file that
the operator configures), and NVIDIA's root of GPUs is not taken for granted here.
"""

from casemate.crypto.certificate import Certificate
from casemate.crypto.vendor_chain import arrange
from casemate.tee.evidence import Inputs


def pins(inputs: Inputs) -> frozenset[bytes]:
    """Give SHA-256 of the roots that count."""
    return inputs.anchors.pins


def path(alias: Certificate, device_id: Certificate, inputs: Inputs) -> tuple[Certificate, ...]:
    """Put a chain in order: alias, DeviceID, and its issuers out of the operator's folder."""
    pool = (*inputs.anchors.material.certificates, *inputs.collateral.certificates)
    return (alias, *arrange(device_id, pool))
