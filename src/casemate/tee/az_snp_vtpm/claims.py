"""Claims of ``az-snp-vtpm`` (tee §7.4): upstream's are all text; ``typed`` says the same typed."""

from base64 import b64encode
from typing import Any, Final

from casemate.tee.azure.claims import tpm_claims
from casemate.tee.azure.provenance import tpm_field
from casemate.tee.azure.verifier import Machine
from casemate.tee.snp import claims as snp
from casemate.tee.snp.product import Product
from casemate.tee.snp.report import Report
from casemate.tee.snp.vek import EndorsementKey

TYPED: Final = "typed"
_TEXTS: Final = (
    *("policy_abi_major", "policy_abi_minor", "policy_smt_allowed", "policy_migrate_ma"),
    *("policy_debug_allowed", "policy_single_socket"),
    *("reported_tcb_bootloader", "reported_tcb_tee", "reported_tcb_snp", "reported_tcb_microcode"),
    *("platform_tsme_enabled", "platform_smt_enabled"),
)
"""What upstream writes as text, in its order."""
_OF_THE_REPORT: Final = {"report_data": "report_data", "init_data": "host_data"}
"""SNP's claims that bind the paravisor and not the session: the report's own names for them."""


def claims(
    report: Report, product: Product, vek: EndorsementKey, machine: Machine
) -> dict[str, Any]:
    """Give all claims; ``measurement`` is base64 in upstream's form, hex in the typed one."""
    typed = {
        _OF_THE_REPORT.get(name, name): value
        for name, value in snp.claims_of(report, product, vek).items()
    }
    return {
        **{name: str(typed[name]).lower() for name in _TEXTS},
        "measurement": b64encode(report.measurement).decode("ascii"),
        **tpm_claims(machine),
        TYPED: typed,
    }


def evidence_field(claim: str) -> str:
    """Name the field of the evidence that a claim (dotted) comes from; empty if none."""
    if found := tpm_field(claim):
        return found
    names = {own: name for name, own in _OF_THE_REPORT.items()}
    name = claim.removeprefix(f"{TYPED}.")
    source = snp.evidence_field(names.get(name, name))
    return source.replace("attestation_report", "hcl_report.hardware_report")
