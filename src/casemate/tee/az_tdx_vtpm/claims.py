"""Claims of ``az-tdx-vtpm`` (tee §7.4): those of a TD without a log, and the TPM's."""

from typing import Any

from casemate.tee.azure.claims import tpm_claims
from casemate.tee.azure.provenance import tpm_field
from casemate.tee.azure.verifier import Machine
from casemate.tee.dcap.bodies import TdReport
from casemate.tee.dcap.verification import VerifiedQuote
from casemate.tee.tdx import provenance as tdx
from casemate.tee.tdx.verifier import claims_of


def claims(verified: VerifiedQuote, body: TdReport, machine: Machine) -> dict[str, Any]:
    """Give all claims; ``report_data`` and ``init_data`` are the TPM's, not the TD's."""
    return claims_of(verified, body, None) | tpm_claims(machine)


def evidence_field(claim: str) -> str:
    """Name the field of the evidence that a claim (dotted) comes from; empty if none."""
    if found := tpm_field(claim):
        return found
    return tdx.evidence_field(claim).replace("quote ", "td_quote ", 1)
