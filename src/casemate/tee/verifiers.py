"""Table of verifiers by TEE name. Adding a TEE is a package and a line here and in attesters."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from casemate.tee.cca import claims as cca_claims
from casemate.tee.cca import verifier as cca
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence, refusal
from casemate.tee.options import NoOptions
from casemate.tee.sample import verifier as sample
from casemate.tee.sampledevice import verifier as sampledevice
from casemate.tee.trail import Check, Trail
from casemate.tee.vtpm import provenance
from casemate.tee.vtpm import verifier as vtpm
from casemate.tee.want import Plan, Want

Verify = Callable[[bytes, Expectation, Inputs, Trail], tuple[VerifiedEvidence, ...]]
"""Evidence (JSON of the wire, or the TEE's own binary form) → what it proves, one or several."""


def _nowhere(_claim: str) -> str:
    return ""


def _nothing(_evidence: bytes, _inputs: Inputs) -> tuple[Want, ...]:
    return ()


class Verifier(NamedTuple):
    """A row: how evidence of a TEE is verified."""

    verify: Verify
    checks: tuple[Check, ...]
    options: type[msgspec.Struct] = NoOptions
    source: Callable[[str], str] = _nowhere
    """Names the field of the evidence that a claim (dotted) was read from; empty if none."""
    plan: Plan = _nothing
    """What to fetch of the vendor before verifying."""


VERIFIERS: Final = MappingProxyType[str, Verifier](
    {
        "cca": Verifier(cca.verify, cca.CHECKS, source=cca_claims.evidence_field),
        "sample": Verifier(sample.verify, sample.CHECKS),
        "sampledevice": Verifier(sampledevice.verify, sampledevice.CHECKS),
        "tpm": Verifier(vtpm.verify, vtpm.CHECKS, source=provenance.evidence_field),
    }
)

OLD_NAMES: Final = MappingProxyType({"azsnpvtpm": "az-snp-vtpm", "aztdxvtpm": "az-tdx-vtpm"})
"""As releases up to Trustee 1.0 wrote them (tee §1.1)."""


def verify(
    tee: str,
    evidence: bytes,
    expected: Expectation,
    inputs: Inputs,
    trail: Trail | None = None,
    *,
    table: Mapping[str, Verifier] = VERIFIERS,
) -> tuple[VerifiedEvidence, ...]:
    """Verify evidence of the TEE called ``tee``. Pure: no clock, no network, no files.

    Which of the table's TEEs may be used at all is the caller's configuration. ``trail``, from
    ``trail_of``, is for callers who want the steps, those before a refusal too; ``table`` for those
    who have plug-ins.

    Returns:
        What was proved; several where evidence speaks of several devices, at least one.

    Raises:
        VerificationError: any proof failed; its step is ``<tee>.<number> <name>``.
        InputError: an anchor, an option or the expected initdata cannot be meant.
    """
    name = canonical(tee, table)
    own = trail or trail_of(name, table)
    found = table[name].verify(evidence, expected, inputs, own)
    own.require_complete()
    if not found:
        raise refusal("tee", claim=name, got="no claims", expected="at least one", rule="verifier")
    return found


def trail_of(tee: str, table: Mapping[str, Verifier] = VERIFIERS) -> Trail:
    """Make an empty trail for evidence of ``tee``; VerificationError when nobody knows it."""
    name = canonical(tee, table)
    return Trail(name, table[name].checks)


def canonical(tee: str, table: Mapping[str, Verifier] = VERIFIERS) -> str:
    """Give the name that we write for a TEE.

    Raises:
        VerificationError: nobody knows it.
    """
    name = OLD_NAMES.get(tee, tee)
    if name not in table:
        raise refusal(
            "tee",
            claim="TEE type",
            got=tee,
            expected=", ".join(table),
            rule="table of verifiers",
        )
    return name
