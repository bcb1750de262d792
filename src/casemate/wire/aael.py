"""Run-time measured events of the attestation agent, and their log (guest-components §5).

An entry is a TCG crypto-agile event, all numbers little-endian.
"""

import struct
from typing import Final

from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import InputError

_TAG: Final = 0x4141454C
_EV_EVENT_TAG: Final = 6
_ALGORITHM_IDS: Final = {Algorithm.SHA256: 0x0B, Algorithm.SHA384: 0x0C, Algorithm.SHA512: 0x0D}
_LONGEST_TEXT: Final = 64 << 10


def tagged_event(domain: str, operation: str, content: str) -> bytes:
    """Encode ``<domain> <operation> <content>`` as the bytes that are measured (§5.2).

    Raises:
        InputError: a line feed in ``content``, a space or line feed before it, or over 64 KiB.
    """
    if "\n" in domain + operation + content or " " in domain + operation:
        raise InputError("event", got=(domain, operation, content), want="words on one line")
    text = f"{domain} {operation} {content}".encode()
    if len(text) > _LONGEST_TEXT:
        raise InputError("event", got=f"{len(text)} bytes", want="at most 64 KiB")
    return struct.pack("<II", _TAG, len(text)) + text


def entry(register: int, event: bytes, algorithm: Algorithm) -> bytes:
    """Encode the log entry of ``event``, extended into ``register`` (§5.3)."""
    head = struct.pack("<IIIH", register, _EV_EVENT_TAG, 1, _ALGORITHM_IDS[algorithm])
    digest = Digest.of(event, algorithm).value
    return head + digest + struct.pack("<I", len(event)) + event


def pull_image_content(image: str, manifest_digest: str) -> str:
    """Content of the event of a pulled image, byte for byte as verifiers match it (§5.7)."""
    return f'{{"image":"{image}", "digest":"{manifest_digest}"}}'
