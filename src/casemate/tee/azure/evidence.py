"""Evidence of both Azure TEEs on the wire (tee §7.1), and the one form that verifiers look at.

Version 0 (no ``version`` member) writes bytes as lists of numbers; 1 and 2 write hex and base64url.
From version 2 on the report's user data is bound too.
"""

import binascii
from typing import Annotated, Final, Self

import msgspec

from casemate.crypto import base64url
from casemate.errors import InputError, PeerError
from casemate.tee.evidence_json import parse_json
from casemate.wire.tpm import PCR_COUNT

NEWEST: Final = 2

_SPEC: Final = "tee §7.1"

Byte = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
Bytes = Annotated[list[Byte], msgspec.Meta(max_length=1 << 16)]


class QuoteBytes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quote in version 0."""

    signature: Bytes
    """RSASSA, bare: no TPMT_SIGNATURE around it."""
    message: Bytes
    """TPMS_ATTEST."""
    pcrs: Annotated[list[Bytes], msgspec.Meta(max_length=2 * PCR_COUNT)]


class QuoteHex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quote in versions 1 and 2."""

    signature: str
    message: str
    pcrs: Annotated[tuple[str, ...], msgspec.Meta(max_length=2 * PCR_COUNT)]


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence as bytes, whatever its version. Nothing of it is verified."""

    version: int
    signature: bytes
    message: bytes
    pcrs: tuple[bytes, ...]
    hcl_report: bytes
    endorsement: bytes
    """The VCEK (DER), or the TD quote."""

    @classmethod
    def of_numbers(cls, quote: QuoteBytes, *, hcl_report: Bytes, endorsement: bytes) -> Self:
        """Take version 0."""
        return cls(
            version=0,
            signature=bytes(quote.signature),
            message=bytes(quote.message),
            pcrs=tuple(bytes(value) for value in quote.pcrs),
            hcl_report=bytes(hcl_report),
            endorsement=endorsement,
        )

    @classmethod
    def of_text(cls, version: int, quote: QuoteHex, *, hcl_report: str, endorsement: str) -> Self:
        """Take versions 1 and 2.

        Raises:
            PeerError: not hex, or not base64url.
        """
        return cls(
            version=version,
            signature=read_hex(quote.signature, "tpm_quote.signature"),
            message=read_hex(quote.message, "tpm_quote.message"),
            pcrs=tuple(read_hex(value, "tpm_quote.pcrs") for value in quote.pcrs),
            hcl_report=read_base64(hcl_report, "hcl_report"),
            endorsement=read_base64(endorsement, "endorsement"),
        )

    @property
    def quote_bytes(self) -> QuoteBytes:
        """The quote as version 0 writes it."""
        return QuoteBytes(list(self.signature), list(self.message), [list(p) for p in self.pcrs])

    @property
    def quote_hex(self) -> QuoteHex:
        """The quote as versions 1 and 2 write it."""
        return QuoteHex(
            self.signature.hex(), self.message.hex(), tuple(value.hex() for value in self.pcrs)
        )


class _Head(msgspec.Struct, frozen=True):
    version: int | msgspec.UnsetType = msgspec.UNSET


def version_of(raw: bytes, tee: str) -> int:
    """Say which version evidence is of; version 0 has no member that says so.

    Raises:
        PeerError: not a JSON object, or a version that nobody knows.
    """
    version = parse_json(raw, _Head, tee).version
    if version is msgspec.UNSET:
        return 0
    if version not in {1, NEWEST}:
        raise PeerError("version", got=version, want=f"1, {NEWEST}, or none", spec=_SPEC)
    return version


def read_hex(text: str, where: str) -> bytes:
    """Read hex digits and nothing else.

    Raises:
        PeerError: anything but pairs of hex digits.
    """
    try:
        return binascii.unhexlify(text)
    except ValueError as error:
        raise PeerError(where, got=text, want="hex", spec=_SPEC) from error


def read_base64(text: str, where: str) -> bytes:
    """Read base64url with or without padding.

    Raises:
        PeerError: another alphabet, wrong padding, or stray bits.
    """
    bare = text if len(text) % 4 else text.removesuffix("=").removesuffix("=")
    try:
        return base64url.decode(bare, where=where)
    except InputError as error:
        raise PeerError(where, got=error.got, want="base64url", spec=_SPEC) from error
