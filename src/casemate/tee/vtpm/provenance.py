"""Which part of the evidence each claim was read from: what an auditor asks first."""

import re
from types import MappingProxyType
from typing import Final

_FIELDS: Final = MappingProxyType(
    {
        "ak_public": "ak_public",
        "ak_certified": "ak_certificate",
        "uefi_event_logs": "event_log",
        "init_data": "tpm_quote.pcrs[8], signed by tpm_quote.message pcrDigest",
        "report_data": "tpm_quote.message extraData",
    }
)
_REGISTER: Final = re.compile(r"pcr(\d\d)")


def evidence_field(claim: str) -> str:
    """Name the member of TPM evidence that a claim of the verifier comes from; empty if none."""
    if register := _REGISTER.fullmatch(claim):
        number = int(register[1])
        return f"tpm_quote.pcrs[{number}], signed by tpm_quote.message pcrDigest"
    return _FIELDS.get(claim, "")
