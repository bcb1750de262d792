"""Evidence as a verifier is given it: the JSON of the wire, or a bare report of 1184 bytes."""

from typing import Final, Self

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.revocation import RevocationList
from casemate.crypto.vendor_chain import ChainMemory
from casemate.errors import PeerError
from casemate.tee.snp.evidence import CertificateEntry, ReportJson, SnpEvidence, read_list
from casemate.tee.snp.report import SIZE, Report
from casemate.tee.snp.vek import SUBJECTS

_CERTIFICATES: Final = frozenset({"ARK", "ASK", "VCEK", "VLEK"})


class Presented(msgspec.Struct, frozen=True):
    """Evidence as it came, in either form."""

    form: ReportJson | bytes
    """JSON, or the 1184 bytes."""
    pieces: tuple[CertificateEntry, ...] | None
    """None: no certificates came."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Tell the wire's JSON from a bare report, by content.

        Raises:
            PeerError: it is neither.
        """
        if len(raw) == SIZE and raw[:1] != b"{":
            return cls(raw, None)
        evidence = SnpEvidence.parse(raw)
        chain = evidence.cert_chain
        return cls(evidence.attestation_report, None if chain is None else tuple(chain))

    @property
    def version(self) -> int:
        """Version of the report, which may be one that cannot be read."""
        form = self.form
        return int.from_bytes(form[:4], "little") if isinstance(form, bytes) else form.version

    def report(self) -> tuple[Report, bytes]:
        """Read the report; give it with the 1184 bytes that it stands for.

        Raises:
            PeerError: it is none.
        """
        form = self.form
        raw = form if isinstance(form, bytes) else form.encode()
        return Report.parse(raw), raw

    def certificates(self, memory: ChainMemory | None = None) -> tuple[Certificate, ...] | None:
        """Read the certificates that came; None when the evidence leaves finding them to us.

        ``memory`` holds those that came before, by the text of their lists.

        Raises:
            PeerError: one is none, or is of another kind of key than it is said to be.
        """
        if self.pieces is None:
            return None
        found = []
        for piece in self.pieces:
            if piece.cert_type not in _CERTIFICATES:
                continue
            text = bytes(piece.data)
            one = memory.read_strangers(_certificate, text) if memory else _certificate(text)
            if (SUBJECTS.get(one.common_name, piece.cert_type)) != piece.cert_type:
                raise PeerError(
                    f"cert_chain, {piece.cert_type}", got=one.common_name, want="its own kind"
                )
            found.append(one)
        return tuple(found)

    def lists(self) -> tuple[RevocationList, ...]:
        """Read the revocation lists that came; PeerError when one is none."""
        return tuple(
            RevocationList.parse(piece.der())
            for piece in self.pieces or ()
            if piece.cert_type == "CRL"
        )


def _certificate(text: bytes) -> Certificate:
    return Certificate.parse(read_list(text))
