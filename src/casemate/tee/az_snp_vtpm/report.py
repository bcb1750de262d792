"""Evidence of ``az-snp-vtpm`` on the wire (tee §7.1), in its three versions."""

from typing import Final

import msgspec

from casemate.crypto import base64url, pem
from casemate.errors import PeerError
from casemate.tee.azure.evidence import (
    Bytes,
    Presented,
    QuoteBytes,
    QuoteHex,
    version_of,
)
from casemate.tee.evidence_json import parse_json

TEE: Final = "az-snp-vtpm"


class OldEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Version 0: the VCEK is PEM, one certificate."""

    quote: QuoteBytes
    report: Bytes
    vcek: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions 1 and 2: the VCEK is DER."""

    version: int
    tpm_quote: QuoteHex
    hcl_report: str
    vcek: str


def parse(raw: bytes) -> Presented:
    """Read evidence of any version.

    Raises:
        PeerError: not JSON, of another shape, or bytes that are written wrongly.
    """
    version = version_of(raw, TEE)
    if version == 0:
        old = parse_json(raw, OldEvidence, TEE)
        return Presented.of_numbers(
            old.quote, hcl_report=old.report, endorsement=_certificate(old.vcek)
        )
    found = parse_json(raw, Evidence, TEE)
    return Presented.of_text(
        version, found.tpm_quote, hcl_report=found.hcl_report, endorsement=found.vcek
    )


def encode(presented: Presented) -> bytes:
    """Write evidence in its version's form."""
    if presented.version == 0:
        text = pem.encode(presented.endorsement, "CERTIFICATE").decode("ascii")
        old = OldEvidence(presented.quote_bytes, list(presented.hcl_report), text)
        return msgspec.json.encode(old)
    return msgspec.json.encode(
        Evidence(
            version=presented.version,
            tpm_quote=presented.quote_hex,
            hcl_report=base64url.encode(presented.hcl_report),
            vcek=base64url.encode(presented.endorsement),
        )
    )


def _certificate(text: str) -> bytes:
    found = pem.blocks(text.encode(), "CERTIFICATE")
    if len(found) != 1:
        raise PeerError("vcek", got=f"{len(found)} certificates", want="one, PEM", spec="tee §7.1")
    return found[0]
