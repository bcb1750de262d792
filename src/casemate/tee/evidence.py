"""Evidence between its two ends: what a verifier is told to expect, and what it gives back.

Bytes on the wire are JSON, one object per TEE (docs/measurements.md). Only a verifier makes a
``VerifiedEvidence``; nothing else in the tree may build one from foreign bytes.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.crypto.jwk import Jwk
from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import Refusal, VerificationError
from casemate.tee.anchors import Anchors
from casemate.tee.evidence_json import LARGEST_EVIDENCE, parse_json
from casemate.tee.material import Material
from casemate.tee.options import Options

__all__ = [
    "CPU",
    "LARGEST_BOUND",
    "LARGEST_EVIDENCE",
    "Answer",
    "Challenge",
    "Expectation",
    "Inputs",
    "VerifiedEvidence",
    "fitted",
    "parse_json",
    "refusal",
]

CPU: Final = "cpu"
"""EAR submodule prefix of every primary TEE."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence must be bound to."""

    report_data: bytes | None
    """The RCAR handshake's digest; each TEE pads it to its field's width. None leaves freshness
    open, which is for looking at kept evidence: a Trustee always gives it."""
    init_data: Digest | None = None
    """Digest of the pod's initdata; None when the guest presented none."""


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """The challenge that evidence answers, where a TEE's verifier makes its own (``se``)."""

    text: str
    """As the guest got it."""
    session: str
    """Name of the session it was made for; empty where the broker names none."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking a service that verifies in our place about this very evidence.

    Unlike collateral it is never read from a file: what the service says of itself (its key) counts
    for no more than the channel that it came over, so only whoever held the conversation makes one.
    """

    verdict: str = ""
    """Signed, as it came; empty when there is none."""
    key: Jwk | None = None
    """The key that it says it signs with."""
    silence: str = ""
    """Why there is no verdict."""
    remedy: str = ""
    """What to do about that."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that a verifier may look at beside evidence and expectation: no clock, net or file."""

    now: datetime
    """The time of verification, with its zone."""
    anchors: Anchors = Anchors()
    collateral: Material = Material()
    """What vendors publish, gathered before; each piece is signed by them and proves itself."""
    options: Options = Options()
    memory: ChainMemory | None = None
    """Chains that held before; None forgets each."""
    challenge: Challenge | None = None
    """What the evidence answers; TEEs whose freshness is report data alone do not look at it."""
    answer: Answer | None = None
    """What a service said that verifies in our place; None when none was asked."""


class VerifiedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence that a verifier found genuine, fresh and bound. Acceptable is the policy's word."""

    tee: str
    tee_class: str
    claims: dict[str, Any]
    """Upstream's names and forms, with ``report_data`` and ``init_data`` as text (lifted later)."""
    report_data: bytes
    init_data: bytes | None
    """What the TEE binds as initdata (PCR 8 for a TPM); None when it can bind none."""
    chain: tuple[str, ...] = ()
    """Who vouched, the root last: names and fingerprints of the chain, for auditors."""


LARGEST_BOUND: Final = 64
"""Bytes of report data or initdata digest: no field of a TEE is wider (tee §1.2)."""


def fitted(data: bytes, width: int) -> bytes:
    """Fit a digest to a field as upstream does (tee §1.2): zeros on the right, or cut.

    Raises:
        VerificationError: more than 64 bytes, of which a field of any TEE would hold only a part.
    """
    if len(data) > LARGEST_BOUND:
        raise refusal(
            "binding",
            claim="expected digest",
            got=f"{len(data)} bytes",
            expected=f"at most {LARGEST_BOUND}",
            rule="tee §1.2",
            remedy="give the digest that the evidence was made for, not the data itself",
        )
    return data[:width].ljust(width, b"\0")


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
