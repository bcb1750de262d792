"""Attester where no TEE was found: it repeats what it is told."""

import msgspec

from casemate.crypto.digest import Digest
from casemate.errors import HostError
from casemate.tee.sample.report import SVN, TEE, SampleEvidence


class SampleAttester:
    """Evidence without a proof, for developing everything else."""

    @property
    def tee(self) -> str:
        return TEE

    def evidence(self, report_data: bytes) -> bytes:
        return msgspec.json.encode(SampleEvidence(SVN, report_data))

    def bind_init_data(self, digest: Digest) -> None:
        """Do nothing: there is no register, and the verifier echoes what it expected."""

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None:
        """Refuse.

        Raises:
            HostError: always; the sample TEE has no registers.
        """
        raise HostError(
            "runtime measurement",
            got=f"register {register}, digest of {len(digest)}, event of {len(event)} bytes",
            want="a TEE with registers",
        )
