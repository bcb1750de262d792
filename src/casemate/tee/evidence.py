"""Evidence between its two ends: what a verifier is told to expect, and what it gives back.

Bytes on the wire are JSON, one object per TEE (docs/measurements.md). Only a verifier makes a
``VerifiedEvidence``; nothing else in the tree may build one from foreign bytes.
"""

from typing import Any, Final, TypeVar

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import InputError, Refusal, VerificationError

LARGEST_EVIDENCE: Final = 4 * 1024 * 1024
"""Bytes of evidence that are looked at; a real quote with its event log has about 40 KB."""

CPU: Final = "cpu"
"""EAR submodule prefix of every primary TEE."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence must be bound to."""

    report_data: bytes
    """The RCAR handshake's digest; each TEE pads or cuts it to its field's width."""
    init_data: Digest | None = None
    """Digest of the pod's initdata; None when the guest presented none."""


class Anchors(msgspec.Struct, frozen=True, kw_only=True):
    """Authorities an operator configured. None at all means that nothing passes."""

    ak_authorities: tuple[bytes, ...] = ()
    """PEM bundles of platform authorities that certify vTPM attestation keys."""


class VerifiedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence that a verifier found genuine, fresh and bound. Acceptable is the policy's word."""

    tee: str
    tee_class: str
    claims: dict[str, Any]
    """Upstream's names and forms, with ``report_data`` and ``init_data`` as text (lifted later)."""
    report_data: bytes
    init_data: bytes | None
    """What the TEE binds as initdata (PCR 8 for a TPM); None when it can bind none."""


T = TypeVar("T")


def parse_json(raw: bytes, kind: type[T], tee: str) -> T:
    """Read evidence into its frozen type.

    Raises:
        VerificationError: too large, not JSON, or not this TEE's shape.
    """
    if len(raw) > LARGEST_EVIDENCE:
        raise refusal(
            f"{tee}.1 shape",
            claim="evidence",
            got=f"{len(raw)} bytes",
            expected=f"at most {LARGEST_EVIDENCE} bytes",
            rule="casemate limit",
        )
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, InputError) as error:
        raise refusal(
            f"{tee}.1 shape",
            claim="evidence",
            got=str(error),
            expected=f"evidence of TEE {tee}",
            rule="evidence JSON",
        ) from error


def refusal(
    step: str, *, claim: str, got: str, expected: str, rule: str, remedy: str = ""
) -> VerificationError:
    """Make the error of a failed verification step."""
    return VerificationError(
        Refusal(
            step=step,
            claim=claim,
            got=got,
            expected=expected,
            rule=rule,
            remedy=remedy,
        )
    )
