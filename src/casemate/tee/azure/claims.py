"""Claims of both Azure TEEs (tee §7.4): registers, freshness, and what the paravisor says."""

from typing import Any

from casemate.tee.azure.verifier import Machine
from casemate.tee.vtpm.quote import register_claims
from casemate.tee.vtpm.report import INIT_DATA_PCR


def tpm_claims(machine: Machine) -> dict[str, Any]:
    """Give what both TEEs share: ``tpm``, ``init_data``, ``report_data``, and ours: ``hcl``.

    ``init_data`` is PCR 8, ``report_data`` the quote's nonce, both lower-case hex. They replace
    those of the hardware report, which binds the paravisor and not the session.
    """
    return {
        "tpm": register_claims(machine.pcrs),
        "init_data": machine.pcrs[INIT_DATA_PCR].hex(),
        "report_data": machine.quote.extra_data.hex(),
        "hcl": {
            "evidence_version": machine.presented.version,
            "report_version": machine.hcl.version,
            "vm_configuration": machine.variable_data.vm_configuration,
        },
    }
