"""Run-time measured events of the attestation agent, and their log (guest-components §5).

An entry is a TCG crypto-agile event, all numbers little-endian.
"""

import struct
from typing import Final

from casemate.errors import InputError
from casemate.wire.eventlog import (
    EV_NO_ACTION,
    LARGEST_LOG,
    STOP_MARK,
    LoggedEvent,
    cut,
    encode_event,
    hash_of,
)
from casemate.wire.tpm import ALG_SHA384, ALG_SM3

LONE_HEAD: Final = struct.pack(
    "<II20xI24xIHHHHB", 0, EV_NO_ACTION, 37, 2, ALG_SHA384, 48, ALG_SM3, 32, 0
)
"""First entry of a log that has none of firmware: the banks of TDX and of CSV (tee §5.2)."""
_TAG: Final = 0x4141454C
_EV_EVENT_TAG: Final = 6
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


def digest(event: bytes, algorithm: int) -> bytes:
    """Hash what is extended: the whole event field, tag and length too (tee §5.2).

    ``algorithm`` is TCG's identifier of the register's bank: SHA-256 for a TPM, SHA-384 for TDX,
    SM3 for CSV. PeerError when it is no hash.
    """
    return hash_of(algorithm)(event).digest()


def entry(register: int, event: bytes, algorithm: int) -> bytes:
    """Encode the log entry of ``event``, extended into ``register`` (§5.3)."""
    own = (algorithm, digest(event, algorithm))
    return encode_event(LoggedEvent(register, _EV_EVENT_TAG, (own,), event))


def join(firmware: bytes | None, own: bytes | None) -> bytes | None:
    """Give the log that travels with evidence: the firmware's, then the agent's (tee §5.2).

    ``firmware`` is the whole CCEL area, None where the machine has none; ``own`` the entries of
    the agent without any head, None where nothing was measured. None when there is neither.

    Raises:
        PeerError: the firmware's log cannot be read, or has no stop mark to be cut at.
        InputError: together they are larger than a verifier reads.
    """
    if not firmware and not own:
        return None
    head = cut(firmware) if firmware else LONE_HEAD
    whole = head + (own or b"") + STOP_MARK
    if len(whole) > LARGEST_LOG:
        raise InputError("event log", got=f"{len(whole)} bytes", want=f"at most {LARGEST_LOG}")
    return whole


def pull_image_content(image: str, manifest_digest: str) -> str:
    """Content of the event of a pulled image, byte for byte as verifiers match it (§5.7)."""
    return f'{{"image":"{image}", "digest":"{manifest_digest}"}}'
