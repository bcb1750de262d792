"""Evidence of a VM on SEV-SNP that Azure never ran: any field of any layer can be wrong."""

from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from casemate.errors import InputError
from casemate.tee.az_snp_vtpm.report import TEE, encode
from casemate.tee.azure import fake as azure
from casemate.tee.azure.hcl import Kind
from casemate.tee.simulation import Changes, Simulated
from casemate.tee.snp import fake as snp
from casemate.tee.snp.evidence import CertificateEntry
from casemate.tee.snp.report import OLDEST_WITH_MODEL

_PREFIX: Final = "snp."
FIELDS: Final = MappingProxyType(
    {**azure.FIELDS, **{_PREFIX + name: help_ for name, help_ in snp.FIELDS.items()}}
)
_DEFAULTS: Final = {"product": "Milan", "version": "3"}


class _Carried(msgspec.Struct, frozen=True):
    """The certificates alone: the report beside them may be one that no JSON can say."""

    cert_chain: tuple[CertificateEntry, ...] | None


def simulate(changes: Changes, now: datetime) -> Simulated:
    """Make evidence; fields of AMD's report and certificates are under ``snp.``.

    Raises:
        InputError: a value cannot be meant.
    """

    def make(report_data: bytes) -> azure.Hardware:
        defaults = _DEFAULTS | {"report_data": report_data.hex()}
        part = changes.part(_PREFIX, snp.FIELDS, defaults)
        found = snp.simulate(part, now)
        pieces = msgspec.json.decode(found.evidence, type=_Carried).cert_chain
        if not pieces or found.binary is None:
            raise InputError("snp.carried", got="no VCEK", want="one: it is part of the evidence")
        old = part.number("version", OLDEST_WITH_MODEL)
        return azure.Hardware(
            report=found.binary,
            endorsement=pieces[0].der(),
            roots=found.roots,
            collateral=found.collateral,
            options=(f"{TEE}.min_report_version=2",) if old < OLDEST_WITH_MODEL else (),
        )

    return azure.simulate(changes, now, tee=TEE, kind=Kind.SNP, make=make, encode=encode)
