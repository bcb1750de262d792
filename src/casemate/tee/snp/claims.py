"""Claims of SNP evidence: upstream's names and forms (tee §3.7), ours beside them, and sources."""

from types import MappingProxyType
from typing import Any, Final

from casemate.tee.snp import bits
from casemate.tee.snp.product import Product
from casemate.tee.snp.report import Report
from casemate.tee.snp.vek import EndorsementKey


def claims_of(report: Report, product: Product, vek: EndorsementKey) -> dict[str, Any]:
    """Make the claims of a verified report."""
    policy, platform = report.policy, report.plat_info
    major, minor = bits.abi(policy)
    return {
        "policy_abi_major": major,
        "policy_abi_minor": minor,
        **{claim: policy & mask != 0 for claim, mask in bits.POLICY_CLAIMS},
        **{f"reported_tcb_{name}": level for name, level in report.reported_tcb.parts.items()},
        **{claim: platform & mask != 0 for claim, mask in bits.PLATFORM_CLAIMS},
        "measurement": report.measurement.hex(),
        "report_data": report.report_data.hex(),
        "init_data": report.host_data.hex(),
        "chip_id": report.chip_id.hex(),
        # ours
        "version": report.version,
        "product": product.name,
        "vmpl": report.vmpl,
        "guest_svn": report.guest_svn,
        "family_id": report.family_id.hex(),
        "image_id": report.image_id.hex(),
        "id_key_digest": report.id_key_digest.hex(),
        "author_key_digest": report.author_key_digest.hex(),
        "author_key_enabled": bool(report.key_info >> bits.AUTHOR_KEY & 1),
        "report_id": report.report_id.hex(),
        "report_id_ma": report.report_id_ma.hex(),
        "signing_key": vek.kind.value,
        "csp_id": vek.csp_id,
        "current_tcb": report.current_tcb.parts,
        "committed_tcb": report.committed_tcb.parts,
        "launch_tcb": report.launch_tcb.parts,
        "current_firmware": str(report.current),
        "committed_firmware": str(report.committed),
        "launch_mit_vector": report.launch_mit_vector,
        "current_mit_vector": report.current_mit_vector,
    }


_BITS: Final = {
    f"{prefix}_{name}": f"attestation_report.{field} bit {bit}"
    for prefix, field, table in (
        ("policy", "policy", bits.POLICY),
        ("platform", "plat_info", bits.PLATFORM),
    )
    for bit, (name, _) in table.items()
}
_SOURCES: Final = MappingProxyType(
    _BITS
    | {
        "policy_abi_major": "attestation_report.policy bits 15:8",
        "policy_abi_minor": "attestation_report.policy bits 7:0",
        "init_data": "attestation_report.host_data",
        "product": "attestation_report.cpuid_fam_id, cpuid_mod_id; product name of the certificate",
        "author_key_enabled": "attestation_report.key_info bit 0",
        "signing_key": "attestation_report.key_info bits 4:2; subject of the certificate",
        "csp_id": "extension 1.3.6.1.4.1.3704.1.5 of the VLEK certificate",
        "current_firmware": "attestation_report.current",
        "committed_firmware": "attestation_report.committed",
    }
)
_PLAIN: Final = frozenset(
    {
        *("measurement", "report_data", "chip_id", "version", "vmpl", "guest_svn", "family_id"),
        *("image_id", "id_key_digest", "author_key_digest", "report_id", "report_id_ma"),
        *("current_tcb", "committed_tcb", "launch_tcb", "launch_mit_vector", "current_mit_vector"),
    }
)


def evidence_field(claim: str) -> str:
    """Name the field of SNP evidence that a claim (dotted) comes from; empty if none."""
    if source := _SOURCES.get(claim):
        return source
    name, _, part = claim.partition(".")
    if name in _PLAIN:
        return f"attestation_report.{claim}"
    if claim.startswith("reported_tcb_") and not part:
        return f"attestation_report.reported_tcb.{claim.removeprefix('reported_tcb_')}"
    return ""
