"""Evidence with a TPM's quote as a person reads it."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from casemate.errors import PeerError
from casemate.tee.evidence import parse_json
from casemate.tee.layout import Field, Section
from casemate.tee.vtpm.report import TEE, TpmEvidence
from casemate.wire.eventlog import EventLog
from casemate.wire.eventlog_json import to_claims
from casemate.wire.tpm import GENERATED, Quote, Signature, encode_selections

QUOTE: Final = "TPM quote (TPMS_ATTEST)"
SIGNATURE: Final = "TPM signature (TPMT_SIGNATURE)"

_MAGIC: Final = GENERATED.to_bytes(4, "big")
_MEANINGS: Final = {
    0: "firmware's code",
    1: "firmware's configuration",
    2: "code of option ROMs",
    4: "boot loader, or unified kernel image",
    5: "boot loader's configuration, partition table",
    7: "Secure Boot's policy",
    8: "initdata",
    9: "what the boot loader or the kernel's stub loaded",
    10: "IMA",
    11: "sections of the unified kernel image, boot phases",
    12: "command line from outside of the image",
    17: "first of those that only a dynamic launch resets",
    16: "debug; resettable by anybody",
    23: "application; resettable by anybody",
}


def layout(raw: bytes) -> tuple[Section, ...]:
    """Draw evidence (JSON), or a quote alone (TPMS_ATTEST).

    Raises:
        PeerError: it cannot be read.
    """
    if raw.startswith(_MAGIC):
        return (quote_section(raw),)
    evidence = parse_json(raw, TpmEvidence, TEE)
    return (
        readable(QUOTE, quote_section, evidence.tpm_quote.message),
        readable(SIGNATURE, signature_section, evidence.tpm_quote.signature),
        register_section(evidence.tpm_quote.pcrs),
        Section(
            "endorsement",
            (
                Field(
                    name="ak_public",
                    value=evidence.ak_public.hex(),
                    meaning=f"SHA-256 {hashlib.sha256(evidence.ak_public).hexdigest()}",
                ),
                Field(
                    name="ak_certificate",
                    value=evidence.ak_certificate.hex(),
                    meaning="X.509 of the platform's authority" if evidence.ak_certificate else "",
                ),
            ),
        ),
        *_log_sections(evidence.event_log),
    )


def readable(title: str, draw: Callable[[bytes], Section], raw: bytes) -> Section:
    """Draw a part of evidence, or show its bytes and why they cannot be read."""
    try:
        return draw(raw)
    except PeerError as error:
        return unreadable(title, raw, error)


def unreadable(title: str, raw: bytes, error: PeerError) -> Section:
    """Show bytes, and why they cannot be read."""
    why = f"unreadable: {error}"
    return Section(
        title, (Field(name="bytes", value=raw.hex(), meaning=why, offset=0, size=len(raw)),)
    )


def quote_section(message: bytes) -> Section:
    """Draw a TPMS_ATTEST; offsets are bytes of it.

    Raises:
        PeerError: it is none.
    """
    quote = Quote.parse(message)
    clock = quote.clock.to_bytes(8, "big")
    shown = ", ".join(f"bank {s.algorithm:#06x} PCR {list(s.indices)}" for s in quote.selections)
    rows = (
        ("magic", message[:4], "made by a TPM"),
        ("type", message[4:6], "a quote"),
        ("qualifiedSigner.size", len(quote.qualified_signer).to_bytes(2, "big"), "bytes"),
        ("qualifiedSigner", quote.qualified_signer, "name of the key, below its parents"),
        ("extraData.size", len(quote.extra_data).to_bytes(2, "big"), "bytes"),
        ("extraData", quote.extra_data, "the nonce: what the quote is bound to"),
        ("clock", clock, f"{quote.clock} milliseconds powered"),
        ("resetCount", quote.reset_count.to_bytes(4, "big"), f"{quote.reset_count} resets"),
        ("restartCount", quote.restart_count.to_bytes(4, "big"), f"{quote.restart_count} resumes"),
        ("safe", bytes((quote.safe,)), "the clock was not put back"),
        ("firmwareVersion", quote.firmware_version.to_bytes(8, "big"), "of the TPM"),
        ("pcrSelect", encode_selections(quote.selections), shown),
        ("pcrDigest.size", len(quote.pcr_digest).to_bytes(2, "big"), "bytes"),
        ("pcrDigest", quote.pcr_digest, "SHA-256 of the registers, one after the other"),
    )
    return Section(QUOTE, tuple(placed(rows)))


def placed(rows: Sequence[tuple[str, bytes, str]], begin: int = 0) -> list[Field]:
    """Give rows that follow each other their places."""
    fields = []
    at = begin
    for name, data, meaning in rows:
        fields.append(
            Field(name=name, value=data.hex(), meaning=meaning, offset=at, size=len(data))
        )
        at += len(data)
    return fields


def signature_section(raw: bytes) -> Section:
    """Draw a TPMT_SIGNATURE.

    Raises:
        PeerError: it is none.
    """
    signature = Signature.parse(raw)
    rows = (
        ("sigAlg", raw[:2], "RSASSA"),
        ("hash", raw[2:4], "0x000b is SHA-256"),
        ("size", raw[4:6], "bytes"),
        ("signature", signature.signature, "over the quote"),
    )
    return Section(SIGNATURE, tuple(placed(rows)))


def register_section(pcrs: Sequence[str]) -> Section:
    """Draw registers (hex), which the quote's digest is of."""
    return Section(
        "registers",
        tuple(
            Field(name=f"pcr{index:02}", value=value, meaning=_MEANINGS.get(index, ""))
            for index, value in enumerate(pcrs)
        ),
    )


def _log_sections(raw: bytes) -> tuple[Section, ...]:
    return (readable("event log", _log_section, raw),) if raw else ()


def _log_section(raw: bytes) -> Section:
    events = to_claims(EventLog.parse(raw), strict=False)
    fields = tuple(
        Field(
            name=f"{number:03} register {event['index']}",
            value=", ".join(f"{one['alg']} {one['digest']}" for one in event["digests"]),
            meaning=f"{event['type_name']} {event['details'].get('string', '')}".strip(),
        )
        for number, event in enumerate(events)
    )
    return Section("event log", fields)
