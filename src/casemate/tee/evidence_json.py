"""Evidence of the wire read into its frozen types: what guests need too, so it imports little."""

from typing import Final, TypeVar

import msgspec

from casemate.errors import MALFORMED_JSON, InputError, PeerError

LARGEST_EVIDENCE: Final = 4 * 1024 * 1024
"""Bytes of evidence that are looked at; a real quote with its event log has about 40 KB."""

T = TypeVar("T")


def parse_json(raw: bytes, kind: type[T], tee: str) -> T:
    """Read evidence into its frozen type.

    Raises:
        PeerError: too large, not JSON, nested too deeply, or not this TEE's shape.
    """
    if len(raw) > LARGEST_EVIDENCE:
        raise PeerError(
            "evidence", got=f"{len(raw)} bytes", want=f"at most {LARGEST_EVIDENCE} bytes"
        )
    try:
        return msgspec.json.decode(raw, type=kind)
    except (InputError, *MALFORMED_JSON) as error:
        raise PeerError("evidence", got=str(error), want=f"evidence of TEE {tee}") from error
