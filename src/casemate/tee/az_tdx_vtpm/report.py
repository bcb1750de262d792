"""Evidence of ``az-tdx-vtpm`` on the wire (tee §7.1), in its three versions."""

from typing import Final

import msgspec

from casemate.crypto import base64url
from casemate.tee.azure.evidence import Bytes, Presented, QuoteBytes, QuoteHex, version_of
from casemate.tee.evidence_json import parse_json

TEE: Final = "az-tdx-vtpm"
TD_REPORT_SIZE: Final = 1024
"""Bytes of the hardware report that are the TDREPORT; zeros follow."""


class OldEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Version 0."""

    tpm_quote: QuoteBytes
    hcl_report: Bytes
    td_quote: Bytes


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions 1 and 2."""

    version: int
    tpm_quote: QuoteHex
    hcl_report: str
    td_quote: str


def parse(raw: bytes) -> Presented:
    """Read evidence of any version.

    Raises:
        PeerError: not JSON, of another shape, or bytes that are written wrongly.
    """
    version = version_of(raw, TEE)
    if version == 0:
        old = parse_json(raw, OldEvidence, TEE)
        return Presented.of_numbers(
            old.tpm_quote, hcl_report=old.hcl_report, endorsement=bytes(old.td_quote)
        )
    found = parse_json(raw, Evidence, TEE)
    return Presented.of_text(
        version, found.tpm_quote, hcl_report=found.hcl_report, endorsement=found.td_quote
    )


def encode(presented: Presented) -> bytes:
    """Write evidence in its version's form."""
    if presented.version == 0:
        old = OldEvidence(
            presented.quote_bytes, list(presented.hcl_report), list(presented.endorsement)
        )
        return msgspec.json.encode(old)
    return msgspec.json.encode(
        Evidence(
            version=presented.version,
            tpm_quote=presented.quote_hex,
            hcl_report=base64url.encode(presented.hcl_report),
            td_quote=base64url.encode(presented.endorsement),
        )
    )
