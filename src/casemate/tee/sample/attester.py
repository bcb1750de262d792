"""Attester where no TEE was found: it repeats what it is told."""

import msgspec

from casemate.crypto.digest import Digest
from casemate.tee.machine import Machine
from casemate.tee.runtime import no_registers
from casemate.tee.sample.report import SVN, TEE, SampleEvidence


class SampleAttester:
    """Evidence without a proof, for developing everything else."""

    @property
    def tee(self) -> str:
        return TEE

    @property
    def has_registers(self) -> bool:
        return False

    def evidence(self, report_data: bytes) -> bytes:
        return msgspec.json.encode(SampleEvidence(SVN, report_data))

    def bind_init_data(self, digest: Digest) -> None:
        """Do nothing: there is no register, and the verifier echoes what it expected."""

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            HostError: always; the sample TEE has no registers.
        """
        raise no_registers(TEE, register)


def open_attester(_machine: Machine) -> SampleAttester:
    """Make it; any machine will do."""
    return SampleAttester()
