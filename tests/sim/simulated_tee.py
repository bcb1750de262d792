"""A TEE that a simulator stands for: its device asks for reports, its verifier has the root."""

from datetime import UTC, datetime

from casemate.crypto.digest import Digest
from casemate.tee.anchors import Anchors
from casemate.tee.evidence import Expectation, Inputs, VerifiedEvidence
from casemate.tee.material import Material
from casemate.tee.options import Options, parse
from casemate.tee.simulation import Simulated
from casemate.tee.simulators import SIMULATORS
from casemate.tee.verifiers import verify

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class SimulatedTee:
    """Mints a report for each request, and verifies evidence under the last report's root."""

    def __init__(self, tee: str, **fields: str) -> None:
        self._tee = tee
        self._fields = fields
        self.last: Simulated | None = None

    def binary(self, **fields: str) -> bytes:
        """Make a report or quote."""
        self.last = SIMULATORS[self._tee].make(self._fields | fields, NOW)
        assert self.last.binary is not None
        return self.last.binary

    def accepted(
        self, evidence: bytes, report_data: bytes, init_data: Digest | None = None
    ) -> VerifiedEvidence:
        """Verify as a Trustee would that has this root; gives the first of what was proved."""
        assert self.last is not None
        inputs = Inputs(
            now=NOW,
            anchors=Anchors.of_folder(self.last.roots),
            collateral=Material.of_files(self.last.collateral),
            options=Options(own=parse(self.last.options)),
        )
        expected = Expectation(report_data=report_data, init_data=init_data)
        return verify(self._tee, evidence, expected, inputs)[0]
