"""Attester of a realm, by configfs-tsm (tee §9)."""

from typing import Final

import msgspec

from casemate.crypto.digest import Digest
from casemate.linux import configfs_tsm
from casemate.linux.configfs_tsm import ConfigfsTsm
from casemate.tee.machine import Machine
from casemate.tee.report_data import padded
from casemate.tee.runtime import no_registers

TEE: Final = "cca"
PROVIDER: Final = "arm_cca_guest"
CHALLENGE_SIZE: Final = 64


class CcaAttester:
    """This realm."""

    def __init__(self, tsm: ConfigfsTsm) -> None:
        self._tsm = tsm

    @property
    def tee(self) -> str:
        return TEE

    @property
    def has_registers(self) -> bool:
        """Realms have extensible measurements, but no kernel interface extends them yet."""
        return False

    def evidence(self, report_data: bytes) -> bytes:
        """Give a token whose challenge is ``report_data``, padded to 64 bytes.

        Raises:
            HostError: no token comes.
            InputError: over 64 bytes.
        """
        token = self._tsm.report(PROVIDER, padded(report_data, CHALLENGE_SIZE)).report
        return msgspec.json.encode({"token": list(token)})

    def bind_init_data(self, digest: Digest) -> None:
        """Do nothing: the host gave the realm its personalization value, and the verifier looks.

        The value stands in the token alone, which nobody here can verify.
        """

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            HostError: always.
        """
        raise no_registers(TEE, register)


def open_attester(machine: Machine) -> CcaAttester:
    """Make the attester of a machine."""
    return CcaAttester(ConfigfsTsm(machine.path(configfs_tsm.FOLDER)))
