"""Attester of a VM under SEV-SNP: ``/dev/sev-guest``, else configfs-tsm (tee §3.8)."""

from collections.abc import Callable
from typing import Final

from casemate.crypto.digest import Digest
from casemate.linux import configfs_tsm, sev_guest
from casemate.linux.configfs_tsm import ConfigfsTsm
from casemate.linux.sev_guest import SevGuest
from casemate.tee.machine import Machine
from casemate.tee.report_data import padded, require_init_data
from casemate.tee.runtime import no_registers
from casemate.tee.snp import certificate_table
from casemate.tee.snp.evidence import ReportJson, SnpEvidence
from casemate.tee.snp.report import TEE, Report

PROVIDER: Final = "sev_guest"
REPORT_DATA_SIZE: Final = 64

Ask = Callable[[bytes], tuple[bytes, bytes]]
"""64 bytes → report, and the certificate table that the host keeps (may be empty).

Raises HostError when none comes.
"""


class SnpAttester:
    """This VM, at VMPL 0."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    @property
    def tee(self) -> str:
        return TEE

    @property
    def has_registers(self) -> bool:
        return False

    def evidence(self, report_data: bytes) -> bytes:
        """Ask for a report bound to ``report_data``, padded to 64 bytes, and its certificates.

        Raises:
            HostError: the firmware refuses.
            PeerError: what comes is no report, or no certificate table.
            InputError: over 64 bytes.
        """
        raw, table = self._ask(padded(report_data, REPORT_DATA_SIZE))
        chain = list(certificate_table.parse(table)) if any(table) else []
        return SnpEvidence(ReportJson.of(Report.parse(raw)), chain or None).encode()

    def bind_init_data(self, digest: Digest) -> None:
        """Check that the host gave HOST_DATA the digest; nothing can be bound later.

        Raises:
            HostError: it did not, or the firmware refuses.
            PeerError: what comes is no report.
        """
        raw, _ = self._ask(bytes(REPORT_DATA_SIZE))
        require_init_data("HOST_DATA", Report.parse(raw).host_data, digest)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            HostError: always; SEV-SNP has no registers.
        """
        raise no_registers(TEE, register)


def open_attester(machine: Machine) -> SnpAttester:
    """Make the attester of a machine, by the device where there is one."""
    device = machine.path(sev_guest.DEVICE)
    if device.exists():
        return SnpAttester(SevGuest(device).extended_report)
    tsm = ConfigfsTsm(machine.path(configfs_tsm.FOLDER))

    def ask(data: bytes) -> tuple[bytes, bytes]:
        found = tsm.report(PROVIDER, data, privilege=0)
        return found.report, found.auxiliary

    return SnpAttester(ask)
