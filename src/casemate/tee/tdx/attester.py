"""Attester of a trust domain: a quote by configfs-tsm, registers by sysfs or ioctl (tee §4.7)."""

from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import InputError
from casemate.linux import configfs_tsm, tdx_guest
from casemate.linux.configfs_tsm import ConfigfsTsm
from casemate.linux.tdx_guest import TdxGuest
from casemate.tee import event_log_files
from casemate.tee.machine import Machine
from casemate.tee.report_data import padded, require_init_data

TEE: Final = "tdx"
PROVIDER: Final = "tdx_guest"
REPORT_DATA_SIZE: Final = 64


class TdxAttester:
    """This trust domain."""

    def __init__(self, tsm: ConfigfsTsm, guest: TdxGuest, machine: Machine) -> None:
        self._tsm = tsm
        self._guest = guest
        self._machine = machine

    @property
    def tee(self) -> str:
        return TEE

    @property
    def has_registers(self) -> bool:
        """Whether this kernel can extend RTMRs."""
        return self._guest.can_extend

    def evidence(self, report_data: bytes) -> bytes:
        """Quote with ``report_data``, padded to 64 bytes; the event log goes beside the quote.

        Raises:
            HostError: no quote comes, or the log cannot be read.
            PeerError: the firmware's log cannot be understood.
            InputError: over 64 bytes.
        """
        data = padded(report_data, REPORT_DATA_SIZE)
        log = event_log_files.gather(self._machine)
        quote = self._tsm.report(PROVIDER, data).report
        return msgspec.json.encode({"cc_eventlog": log, "quote": quote})

    def bind_init_data(self, digest: Digest) -> None:
        """Check that the host gave MRCONFIGID the digest; nothing can be bound later.

        Raises:
            HostError: it did not.
        """
        require_init_data("MRCONFIGID", self._guest.config_id(), digest)

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Extend an RTMR; the agent keeps ``event`` in its log.

        Args:
            register: as event logs count, 1 to 4: RTMR0 is 1.
            digest: 48 bytes, SHA-384.
            event: what was measured.

        Raises:
            InputError: no such register, or not 48 bytes.
            HostError: this kernel cannot, or refuses.
        """
        if not 1 <= register <= tdx_guest.REGISTERS or len(digest) != tdx_guest.REGISTER_SIZE:
            raise InputError(
                "register to extend",
                got=f"{register} with {len(digest)} bytes",
                want="1 to 4 with 48 bytes, SHA-384",
                spec="tee §1.4",
            )
        self._guest.extend(register - 1, digest)


def open_attester(machine: Machine) -> TdxAttester:
    """Make the attester of a machine."""
    return TdxAttester(
        ConfigfsTsm(machine.path(configfs_tsm.FOLDER)),
        TdxGuest(machine.path(tdx_guest.DEVICE), machine.path(tdx_guest.MEASUREMENTS)),
        machine,
    )
