"""Attester of a guest on SEV-SNP below Azure's paravisor."""

from collections.abc import Callable

from casemate.linux.tpm import Transport
from casemate.tee.az_snp_vtpm.report import TEE, encode
from casemate.tee.azure import metadata
from casemate.tee.azure.attester import AzureAttester
from casemate.tee.azure.hcl import HclReport, Kind


def attester(
    transport: Transport, *, fetch: metadata.Fetch, wait: Callable[[], None]
) -> AzureAttester:
    """Make it of a TPM, what asks the metadata service, and what waits for the paravisor."""

    def vcek(_report: HclReport) -> bytes:
        return metadata.parse_vcek(fetch(metadata.VCEK_REQUEST))

    return AzureAttester(transport, tee=TEE, kind=Kind.SNP, endorse=vcek, encode=encode, wait=wait)
