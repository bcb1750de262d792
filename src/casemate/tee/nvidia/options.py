"""What an operator may change for NVIDIA devices."""

from typing import Literal

import msgspec


class NvidiaOptions(msgspec.Struct, frozen=True):
    """Options of TEE ``nvidia``. Without any, all is verified here and nothing is fetched."""

    mode: Literal["local", "remote"] = "local"
    """``remote``: NVIDIA's service (NRAS) must vouch too, and its claims are the claims."""
    revocation: Literal["optional", "required"] = "optional"
    """Whether each certificate that an authority of NVIDIA issued needs a list or an OCSP answer
    that says it is good. What is there counts in any case."""
    manifests: Literal["optional", "required"] = "optional"
    """Whether driver and VBIOS need NVIDIA's reference manifests (RIM). What is there counts."""
    nras_url: str = "https://nras.attestation.nvidia.com/v4/attest"
    """NVIDIA's attestation service; ``/gpu`` or ``/switch`` is added."""
    nras_issuer: str = "https://nras.attestation.nvidia.com"
    """Who must have issued its tokens."""
    crl_url: str = "https://crl.ndis.nvidia.com/crl"
    """Where NVIDIA's revocation lists are."""
    ocsp_url: str = "http://ocsp.ndis.nvidia.com"
    """Who answers for single certificates; answers are signed."""
    rim_url: str = "https://rim.attestation.nvidia.com/v1/rim"
    """Where NVIDIA's reference manifests are."""
