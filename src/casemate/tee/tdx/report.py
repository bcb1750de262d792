"""Evidence of a TD on the wire: ``{"cc_eventlog": null or base64, "quote": base64}`` (tee §4.1)."""

from typing import Final, Self

import msgspec

from casemate.tee.evidence import parse_json

TEE: Final = "tdx"


class TdxEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evidence object; base64 on the wire, bytes here."""

    quote: bytes
    cc_eventlog: bytes | None = None
    """The firmware's log (CCEL) with the agent's behind it."""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the wire's JSON, or a bare quote; they differ in their first byte.

        Raises:
            PeerError: neither.
        """
        if raw[:16].lstrip()[:1] in {b"{", b""}:
            return parse_json(raw, cls, TEE)
        return cls(raw)

    def encode(self) -> bytes:
        """Write JSON."""
        return msgspec.json.encode(
            {"cc_eventlog": self.cc_eventlog, "quote": self.quote},
        )
