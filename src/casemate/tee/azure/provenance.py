"""Which part of Azure's evidence the claims that both TEEs share were read from."""

import re
from types import MappingProxyType
from typing import Final

_FIELDS: Final = MappingProxyType(
    {
        "init_data": "tpm_quote.pcrs[8], signed by tpm_quote.message pcrDigest",
        "report_data": "tpm_quote.message extraData",
        "hcl.evidence_version": "version",
        "hcl.report_version": "hcl_report.version",
    }
)
_REGISTER: Final = re.compile(r"tpm\.pcr(\d\d)")
_CONFIGURATION: Final = "hcl.vm_configuration"


def tpm_field(claim: str) -> str:
    """Name the member of the evidence; empty when the claim is of the hardware's report."""
    if register := _REGISTER.fullmatch(claim):
        return f"tpm_quote.pcrs[{int(register[1])}], signed by tpm_quote.message pcrDigest"
    if claim.startswith(_CONFIGURATION):
        member = claim.removeprefix(_CONFIGURATION)
        return f"hcl_report.variable_data vm-configuration{member}, hashed in the hardware report"
    return _FIELDS.get(claim, "")
