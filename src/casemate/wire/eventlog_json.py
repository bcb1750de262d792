"""Event logs as claims: the JSON form policies read (tee §5.4), upstream's to the letter.

Nothing in ``details`` is proven but by the digest beside it: ``digest_matches_event`` says whether
the event is what was hashed, which for many types it never is. For the attestation agent's own
entries it always is, so one that does not match is refused.
"""

import struct
from binascii import b2a_base64
from codecs import utf_16_le_decode as _utf16  # bytes.decode would look the codec up each time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from casemate.errors import MALFORMED_JSON, PeerError
from casemate.wire.device_path import parse_device_path
from casemate.wire.eventlog import ALGORITHM_NAMES, DIGEST_SIZES, EventLog, LoggedEvent, hash_of

AAEL_TAG: Final = 0x4141454C
"""Tag of the attestation agent's own entries; on disk ``LEAA``."""
_LEAA: Final = AAEL_TAG.to_bytes(4, "little")
_TAG_HEAD: Final = 8  # tag, size of the text (4 each)
_IMAGE_HEAD: Final = 32  # UEFI_IMAGE_LOAD_EVENT: location, length, link address, path length
_VARIABLE: Final = struct.Struct("<16sQQ")  # UEFI_VARIABLE_DATA: GUID, characters, bytes
_NODE_HEAD: Final = 4  # of a device path's node, and the whole of its end node
_UTF16_DOT: Final = b".\0"
_VISIBLE: Final = dict.fromkeys((*range(32), *range(127, 160))) | {0x10: " "}
_DEEPEST_CONTENT: Final = 128
"""Levels of JSON in the content of an entry, as upstream; what nests deeper stays text."""

Details = dict[str, Any]


def to_claims(log: EventLog, *, strict: bool = True) -> list[Details]:
    """Give one object per entry, ready for JSON.

    Not ``strict``, an entry whose event cannot be read as its type wants has empty details: for
    logs of firmware that is known to write others, which only its digests speak for.

    Raises:
        PeerError: an event that is no UTF-8 or no JSON where it must be, whose own lengths do not
            fit, or which is not what was hashed though it must be.
    """
    return _claims(log.events, strict=strict)


def to_claim(event: LoggedEvent, *, strict: bool = True) -> Details:
    """Give one entry's object.

    Raises:
        PeerError: see ``to_claims``.
    """
    return _claims((event,), strict=strict)[0]


def _claims(events: Iterable[LoggedEvent], *, strict: bool) -> list[Details]:
    """Write entries, in one loop without calls that can be spared: logs have hundreds."""
    claims: list[Details] = []
    for event in events:
        data, kind = event.data, event.kind
        matches: bool | None = None
        digests = []
        for algorithm, digest in event.digests:
            name, hashed = _BANKS.get(algorithm) or _unknown_bank(algorithm)
            if hashed is not None and matches is not False:
                matches = hashed(data).digest() == digest
            digests.append({"alg": name, "digest": digest.hex()})
        type_name, read = _KINDS.get(kind) or _unknown_kind(kind)
        details: Details = {}
        if read is not None:
            try:
                if not matches and kind == _EV_EVENT_TAG and data.startswith(_LEAA):
                    raise _not_measured()
                details = read(data)
            except (PeerError, UnicodeDecodeError) as error:
                if strict:
                    raise _unreadable(type_name, error) from error
        claims.append(
            {
                "details": details,
                "digest_matches_event": matches is True,
                "digests": digests,
                "event": b2a_base64(data, newline=False).decode(),
                "index": event.register,
                "type_name": type_name,
            }
        )
    return claims


def type_name(kind: int) -> str:
    """Name an event type, ``EV_SEPARATOR`` for instance."""
    return TYPE_NAMES.get(kind, f"EV_UNKNOWN_{kind:#010x}")


def _unknown_kind(kind: int) -> tuple[str, None]:
    return type_name(kind), None


def _unknown_bank(algorithm: int) -> tuple[str, None]:
    return f"{algorithm:#06x}", None


def _unreadable(name: str, error: PeerError | UnicodeDecodeError) -> PeerError:
    if isinstance(error, PeerError):
        return PeerError(f"event log, {name}", got=error.got, want=error.want)
    return PeerError(f"event log, {name}", got=error.reason, want=error.encoding)


def _not_measured() -> PeerError:
    return PeerError(
        "own entry",
        got="an event that is not what was measured",
        want="digests of the whole event field",
        spec="tee §5.2",
    )


def _wrong_length(got: object, want: str) -> PeerError:
    return PeerError("lengths", got=got, want=want)


def _text(data: bytes) -> Details:
    return {"string": data.decode()}


def _tagged(data: bytes) -> Details:
    size = int.from_bytes(data[4:8], "little")
    raw = data[_TAG_HEAD : _TAG_HEAD + size]
    if len(data) < _TAG_HEAD or len(raw) != size:
        raise _wrong_length(f"{size} bytes of text in an event of {len(data)}", "all of them")
    text = raw.decode(errors="replace").replace("\0", "")
    if not data.startswith(_LEAA):
        return {"string": text}
    words = raw.decode().split(" ", 2)
    if len(words) < 3 or b"\n" in raw:
        raise PeerError("text", got=text, want="domain, operation and content on one line")
    parts = {"domain": words[0], "operation": words[1], "content": _json_or_text(words[2])}
    return {"string": text, "unicode_name": "AAEL", "data": parts}


def _json_or_text(content: str) -> Any:
    try:
        found = msgspec.json.decode(content)
    except (ValueError, *MALFORMED_JSON):
        return content
    deep = content.count("[") + content.count("{") > _DEEPEST_CONTENT
    return content if deep and _is_deeper(found, _DEEPEST_CONTENT) else found


def _is_deeper(value: Any, levels: int) -> bool:
    """Say whether JSON nests more than ``levels`` deep."""
    layer = [value]
    for _ in range(levels):
        inner: list[Any] = []
        for item in layer:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        layer = inner
    return any(isinstance(item, dict | list) for item in layer)


def _config_flags(data: bytes) -> Details:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"string": ""}
    return {"string": text.translate(_VISIBLE)}


def _initial_program(data: bytes) -> Details:
    if len(data) < 2:
        raise _wrong_length(f"{len(data)} bytes", "2 or more")
    if data[:2] == _UTF16_DOT:
        if len(data) == 2 or len(data) % 2:
            raise _wrong_length(f"{len(data)} bytes", "whole UTF-16 after the dot")
        return {"string": data[2:-2].decode("utf-16-le", errors="replace")}
    try:
        return {"string": data.partition(b"\0")[0].decode()}
    except UnicodeDecodeError:
        return {"string": data.hex()}


def _variable(data: bytes) -> Details:
    if len(data) < _VARIABLE.size:
        raise _wrong_length(f"{len(data)} bytes", f"{_VARIABLE.size} or more")
    name, name_size, data_size = _VARIABLE.unpack_from(data)
    value_at = _VARIABLE.size + name_size * 2
    value_end = value_at + data_size
    if value_end > len(data):
        raise _wrong_length(
            f"a name of {name_size} and data of {data_size} in {len(data)} bytes", "both of them"
        )
    return {
        "unicode_name": _utf16(data[_VARIABLE.size : value_at], "strict", True)[0],
        "unicode_name_length": name_size,
        "variable_data": b2a_base64(data[value_at:value_end], newline=False).decode(),
        "variable_data_length": data_size,
        "variable_name": _guid_in_file_order(name),
    }


@lru_cache(maxsize=64)
def _guid_in_file_order(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[0:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def _application(data: bytes) -> Details:
    size = int.from_bytes(data[24:32], "little")
    if len(data) < _IMAGE_HEAD or (size and not 2 * _NODE_HEAD <= size <= len(data) - _IMAGE_HEAD):
        raise _wrong_length(f"a device path of {size} in {len(data)} bytes", "all of it")
    if not size:
        return {}
    return {"device_paths": parse_device_path(data[_IMAGE_HEAD : _IMAGE_HEAD + size - _NODE_HEAD])}


def _described(data: bytes) -> Details:
    size = data[0] if data else 0
    if not 1 <= size <= len(data):
        raise _wrong_length(f"a description of {size} in {len(data)} bytes", "1 or more, all of it")
    return {"string": data[1:size].decode()}


_EV_EVENT_TAG: Final = 6
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

_KINDS: Final = {kind: (name, _DETAILS.get(kind)) for kind, name in TYPE_NAMES.items()}
_BANKS: Final = {
    algorithm: (name, hash_of(algorithm) if algorithm in DIGEST_SIZES else None)
    for algorithm, name in ALGORITHM_NAMES.items()
}
