"""Event logs as claims: the JSON form policies read (tee §5.4), upstream's to the letter.

Nothing in ``details`` is proven but by the digest beside it: ``digest_matches_event`` says whether
the event is what was hashed, which for many types it never is.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

import msgspec

from casemate.wire.device_path import parse_device_path
from casemate.wire.eventlog import ALGORITHM_NAMES, EventLog, LoggedEvent, digest_of

AAEL_TAG: Final = 0x4141454C
"""Tag of the attestation agent's own entries; on disk ``LEAA``."""
_PATH_AT: Final = 32  # UEFI_IMAGE_LOAD_EVENT: location, length, link address, path length (8 each)
_END_NODE: Final = 4
_UTF16_DOT: Final = b".\0"

Details = dict[str, Any]


def to_claims(log: EventLog) -> list[Details]:
    """Give one object per entry, ready for JSON.

    Raises:
        PeerError: an entry whose own lengths do not fit.
    """
    return [to_claim(event) for event in log.events]


def to_claim(event: LoggedEvent) -> Details:
    """Give one entry's object.

    Raises:
        PeerError: its own lengths do not fit.
    """
    details = _DETAILS.get(event.kind)
    return {
        "details": details(event.data) if details else {},
        "digest_matches_event": _matches(event),
        "digests": [
            {"alg": ALGORITHM_NAMES.get(alg, f"{alg:#06x}"), "digest": digest.hex()}
            for alg, digest in event.digests
        ],
        "event": _base64(event.data),
        "index": event.register,
        "type_name": type_name(event.kind),
    }


def type_name(kind: int) -> str:
    """Name an event type, ``EV_SEPARATOR`` for instance."""
    return TYPE_NAMES.get(kind, f"EV_UNKNOWN_{kind:#010x}")


def _matches(event: LoggedEvent) -> bool:
    known = [(alg, digest) for alg, digest in event.digests if alg in ALGORITHM_NAMES]
    return bool(known) and all(digest_of(event.data, alg) == digest for alg, digest in known)


def _text(data: bytes) -> Details:
    return {"string": data.decode(errors="replace")}


def _tagged(data: bytes) -> Details:
    tag, size = int.from_bytes(data[0:4], "little"), int.from_bytes(data[4:8], "little")
    text = data[8 : 8 + size].decode(errors="replace").replace("\0", "")
    if tag != AAEL_TAG:
        return {"string": text}
    domain, _, rest = text.partition(" ")
    operation, _, content = rest.partition(" ")
    parts = {"domain": domain, "operation": operation, "content": _json_or_text(content)}
    return {"string": text, "unicode_name": "AAEL", "data": parts}


def _json_or_text(content: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return content


def _config_flags(data: bytes) -> Details:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"string": ""}
    visible = (c for c in text.replace("\x10", " ") if not _is_control(c))
    return {"string": "".join(visible)}


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f"


def _initial_program(data: bytes) -> Details:
    if data.startswith(_UTF16_DOT):
        return {"string": data[2:-2].decode("utf-16-le", errors="replace")}
    try:
        return {"string": data.split(b"\0")[0].decode()}
    except UnicodeDecodeError:
        return {"string": data.hex()}


def _variable(data: bytes) -> Details:
    name_size = int.from_bytes(data[16:24], "little")
    data_size = int.from_bytes(data[24:32], "little")
    value_at = 32 + name_size * 2
    value = data[value_at : value_at + data_size]
    raw = data[:16].hex()
    cuts = (raw[0:8], raw[8:12], raw[12:16], raw[16:20], raw[20:32])
    return {
        "unicode_name": data[32:value_at].decode("utf-16-le", errors="replace"),
        "unicode_name_length": name_size,
        "variable_data": _base64(value),
        "variable_data_length": data_size,
        "variable_name": "-".join(cuts),
    }


def _application(data: bytes) -> Details:
    size = int.from_bytes(data[24:32], "little")
    if size == 0:
        return {}
    return {"device_paths": parse_device_path(data[_PATH_AT:][:size][:-_END_NODE])}


def _described(data: bytes) -> Details:
    return {"string": data[1 : data[0] if data else 0].decode(errors="replace")}


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


TYPE_NAMES: Final = {
    0x00000000: "EV_PREBOOT_CERT",
    0x00000001: "EV_POST_CODE",
    0x00000002: "EV_UNUSED",
    0x00000003: "EV_NO_ACTION",
    0x00000004: "EV_SEPARATOR",
    0x00000005: "EV_ACTION",
    0x00000006: "EV_EVENT_TAG",
    0x00000007: "EV_S_CRTM_CONTENTS",
    0x00000008: "EV_S_CRTM_VERSION",
    0x00000009: "EV_CPU_MICROCODE",
    0x0000000A: "EV_PLATFORM_CONFIG_FLAGS",
    0x0000000B: "EV_TABLE_OF_DEVICES",
    0x0000000C: "EV_COMPACT_HASH",
    0x0000000D: "EV_IPL",
    0x0000000E: "EV_IPL_PARTITION_DATA",
    0x0000000F: "EV_NONHOST_CODE",
    0x00000010: "EV_NONHOST_CONFIG",
    0x00000011: "EV_NONHOST_INFO",
    0x00000012: "EV_OMIT_BOOT_DEVICE_EVENTS",
    0x80000000: "EV_EFI_EVENT_BASE",
    0x80000001: "EV_EFI_VARIABLE_DRIVER_CONFIG",
    0x80000002: "EV_EFI_VARIABLE_BOOT",
    0x80000003: "EV_EFI_BOOT_SERVICES_APPLICATION",
    0x80000004: "EV_EFI_BOOT_SERVICES_DRIVER",
    0x80000005: "EV_EFI_RUNTIME_SERVICES_DRIVER",
    0x80000006: "EV_EFI_GPT_EVENT",
    0x80000007: "EV_EFI_ACTION",
    0x80000008: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
    0x80000009: "EV_EFI_HANDOFF_TABLES",
    0x8000000A: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
    0x8000000B: "EV_EFI_HANDOFF_TABLES2",
    0x8000000C: "EV_EFI_VARIABLE_BOOT2",
    0x80000010: "EV_EFI_HCRTM_EVENT",
    0x800000E0: "EV_EFI_VARIABLE_AUTHORITY",
    0x800000E1: "EV_EFI_SPDM_FIRMWARE_BLOB",
    0x800000E2: "EV_EFI_SPDM_FIRMWARE_CONFIG",
}

_DETAILS: Final[dict[int, Callable[[bytes], Details]]] = {
    0x00000001: _text,
    0x00000005: _text,
    0x0000000C: _text,
    0x00000012: _text,
    0x80000007: _text,
    0x00000006: _tagged,
    0x0000000A: _config_flags,
    0x0000000D: _initial_program,
    0x80000001: _variable,
    0x80000002: _variable,
    0x8000000C: _variable,
    0x800000E0: _variable,
    0x80000003: _application,
    0x8000000A: _described,
    0x8000000B: _described,
}
