"""Table of verifiers by TEE name. Adding a TEE is a package and a line here and in attesters."""

from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Final

from casemate.tee.evidence import Anchors, Expectation, VerifiedEvidence, refusal
from casemate.tee.sample import verifier as sample
from casemate.tee.vtpm import verifier as vtpm

Verifier = Callable[[bytes, Expectation, Anchors, datetime], VerifiedEvidence]

VERIFIERS: Final = MappingProxyType[str, Verifier](
    {
        "sample": sample.verify,
        "tpm": vtpm.verify,
    }
)


def verify(
    tee: str,
    evidence: bytes,
    expected: Expectation,
    *,
    anchors: Anchors,
    now: datetime,
) -> VerifiedEvidence:
    """Verify evidence (JSON) of the TEE called ``tee``. Pure: no clock, no network, no files.

    Which of the table's TEEs may be used at all is the caller's configuration.

    Raises:
        VerificationError: any proof failed; its step is ``<tee>.<number> <name>``.
    """
    verifier = VERIFIERS.get(tee)
    if verifier is None:
        raise refusal(
            "tee",
            claim="TEE type",
            got=tee,
            expected=", ".join(VERIFIERS),
            rule="table of verifiers",
        )
    return verifier(evidence, expected, anchors, now)
