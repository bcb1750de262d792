"""Evidence of ``az-snp-vtpm`` as a person reads it: the quote, the paravisor's report, AMD's."""

from casemate.tee.az_snp_vtpm.report import parse
from casemate.tee.azure import layout as azure
from casemate.tee.azure.hcl import Kind
from casemate.tee.layout import Section
from casemate.tee.snp import layout as snp


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw evidence (JSON), or a paravisor's report alone; PeerError where it is neither."""
    return azure.sections(
        raw, kind=Kind.SNP, read=parse, hardware=snp.layout, endorsement=_certificate
    )


def _certificate(der: bytes) -> tuple[Section, ...]:
    return (snp.certificate_section("VCEK", der),)
