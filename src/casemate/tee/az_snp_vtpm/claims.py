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
_HOST_DATA: Final = "host_data"
"""What SNP's claims call ``init_data``, which here is PCR 8: the report's own name for it."""


def claims(
    report: Report, product: Product, vek: EndorsementKey, machine: Machine
) -> dict[str, Any]:
    """Give all claims; ``measurement`` is base64 in upstream's form, hex in the typed one."""
    typed = snp.claims_of(report, product, vek)
    del typed["report_data"]  # the binding of the variable data, which was verified
    typed[_HOST_DATA] = typed.pop("init_data")
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
    name = claim.removeprefix(f"{TYPED}.")
    source = snp.evidence_field("init_data" if name == _HOST_DATA else name)
    return source.replace("attestation_report", "hcl_report.hardware_report")
