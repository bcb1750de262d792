"""Claims of ``az-snp-vtpm`` (tee §7.4): upstream's are all text; ``typed`` says the same typed."""

from base64 import b64encode
from typing import Any, Final

from casemate.tee.azure.claims import tpm_claims
from casemate.tee.azure.verifier import Machine
from casemate.tee.snp.report import Report

_POLICY_BITS: Final = {
    "policy_smt_allowed": 16,
    "policy_migrate_ma": 18,
    "policy_debug_allowed": 19,
    "policy_single_socket": 20,
}
_PLATFORM_BITS: Final = {"platform_smt_enabled": 0, "platform_tsme_enabled": 1}


def claims(report: Report, machine: Machine) -> dict[str, Any]:
    """Give all claims; ``measurement`` is base64 in upstream's form, hex in the typed one."""
    typed = _typed(report)
    texts: dict[str, Any] = {name: _text(value) for name, value in typed.items()}
    own = {
        "measurement": report.measurement.hex(),
        "chip_id": report.chip_id.hex(),
        "report_version": report.version,
        "guest_svn": report.guest_svn,
        "vmpl": report.vmpl,
    }
    return {
        **texts,
        "measurement": b64encode(report.measurement).decode("ascii"),
        **tpm_claims(machine),
        "typed": typed | own,
    }


def _typed(report: Report) -> dict[str, bool | int]:
    bits = {name: bool(report.policy >> bit & 1) for name, bit in _POLICY_BITS.items()}
    platform = {name: bool(report.plat_info >> bit & 1) for name, bit in _PLATFORM_BITS.items()}
    tcb = report.reported_tcb
    return {
        "policy_abi_major": report.policy >> 8 & 0xFF,
        "policy_abi_minor": report.policy & 0xFF,
        **bits,
        "reported_tcb_bootloader": tcb.bootloader,
        "reported_tcb_tee": tcb.tee,
        "reported_tcb_snp": tcb.snp,
        "reported_tcb_microcode": tcb.microcode,
        **platform,
    }


def _text(value: bool | int) -> str:  # noqa: FBT001  # a value, no switch
    return str(value).lower()
