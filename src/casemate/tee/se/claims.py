"""Claims of Secure Execution, in upstream's names and forms, and where each came from."""

from types import MappingProxyType
from typing import Any, Final

from casemate.tee.se.image_header import ImageTags
from casemate.tee.se.report import VERSION, SeResponse

_FIELDS: Final = MappingProxyType(
    {
        "cuid": "cuid",
        "image_phkh": "additional_data[0:32]",
        "attestation_phkh": "additional_data[32:64]",
        "tag": "configured image header, by measurement",
        "report_data": "user_data",
        "version": "request_blob, version",
    }
)


def claims_of(response: SeResponse, tags: ImageTags) -> dict[str, Any]:
    """Give the claims: hex, and a number for the version.

    Unlike upstream, ``tag`` is of the configured header that the measurement fits, and
    ``report_data`` is what was found, not what was expected.
    """
    return {
        "cuid": response.cuid.hex(),
        "image_phkh": response.image_key_hash.hex(),
        "attestation_phkh": response.attestation_key_hash.hex(),
        "tag": tags.tag.hex(),
        "version": VERSION,
        "report_data": response.user_data.hex(),
    }


def evidence_field(claim: str) -> str:
    """Name the member of the response that a claim comes from; empty if none."""
    return _FIELDS.get(claim, "")
