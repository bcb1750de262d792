"""Attester of a guest on TDX below Azure's paravisor."""

from collections.abc import Callable

from casemate.linux.tpm import Transport
from casemate.tee.az_tdx_vtpm.report import TD_REPORT_SIZE, TEE, encode
from casemate.tee.azure import metadata
from casemate.tee.azure.attester import AzureAttester
from casemate.tee.azure.hcl import HclReport, Kind


def attester(
    transport: Transport, *, fetch: metadata.Fetch, wait: Callable[[], None]
) -> AzureAttester:
    """Make it of a TPM, what asks the metadata service, and what waits for the paravisor."""

    def quote(report: HclReport) -> bytes:
        request = metadata.quote_request(report.hardware_report[:TD_REPORT_SIZE])
        return metadata.parse_quote(fetch(request))

    return AzureAttester(transport, tee=TEE, kind=Kind.TDX, endorse=quote, encode=encode, wait=wait)
