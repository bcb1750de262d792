"""LUKS2 headers on disks of the host: read once, judged, and only then opened (§12.1).

Nothing in a header is bound to the owner's key. A host can write one whose keyslot is not
encrypted at all, so that any passphrase opens it with a volume key of the host's, or whose segment
is stored in clear (CVE-2025-59054). So the header is copied into the guest, the copy is judged,
and the copy alone is used.
"""

import re
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import MALFORMED_JSON, HostError, Refusal, VerificationError
from casemate.linux import block
from casemate.trace import Station

SIZE: Final = 16 << 20
"""Bytes that are copied; cryptsetup's own default for the whole header with its keyslots."""

_KEYSLOT: Final = re.compile(r"(aes|serpent|twofish|camellia)-xts-plain64")
_SEGMENT: Final = re.compile(
    r"(aes|serpent|twofish|camellia)-xts-(plain64|random)"
    r"|(aes-gcm|aegis128|aegis256|chacha20)-random"
    r"|capi:(gcm\(aes\)|rfc7539\(chacha20,poly1305\))-random"
)
_SMALLEST_KEY: Final = 32
"""Bytes of a keyslot's key: XTS halves it."""


class _Area(msgspec.Struct, frozen=True):
    encryption: str
    key_size: int


class _Keyslot(msgspec.Struct, frozen=True):
    type: str
    area: _Area


class _Integrity(msgspec.Struct, frozen=True):
    type: str


class _Segment(msgspec.Struct, frozen=True):
    type: str
    encryption: str
    integrity: _Integrity | None = None


class _Config(msgspec.Struct, frozen=True):
    requirements: msgspec.Raw | None = None


class _Metadata(msgspec.Struct, frozen=True):
    keyslots: dict[str, _Keyslot]
    segments: dict[str, _Segment]
    config: _Config


def copy(device: Path, file: Path) -> None:
    """Copy the header of ``device`` to a new ``file`` in the guest's memory.

    Raises:
        HostError: the device cannot be read, or the file is there already.
    """
    header = block.read(device, SIZE)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.open("xb") as copied:
            copied.write(header)
    except OSError as error:
        raise HostError(f"header of {device}", got=error, want="room for a copy of it") from error


def require_sound(metadata: bytes, *, integrity: bool) -> None:
    """Judge a header by its JSON, as ``luksDump --dump-json-metadata`` prints it.

    Args:
        metadata: the JSON text.
        integrity: the owner wants sectors authenticated.

    Raises:
        VerificationError: a keyslot or the segment is weaker than what we make ourselves, there is
            more than one segment, or the volume is in the middle of a re-encryption.
    """
    try:
        found = msgspec.json.decode(metadata, type=_Metadata)
    except MALFORMED_JSON as error:
        raise _refused("metadata", str(error), "a LUKS2 header of ours") from error
    for name, slot in found.keyslots.items():
        _require_keyslot(name, slot)
    if found.config.requirements is not None:
        raise _refused("requirements", "some", "a volume that is not being re-encrypted")
    if len(found.segments) != 1:
        raise _refused("segments", f"{len(found.segments)} of them", "one segment")
    (segment,) = found.segments.values()
    if segment.type != "crypt" or _SEGMENT.fullmatch(segment.encryption) is None:
        raise _refused("segment", f"{segment.type} {segment.encryption}", "XTS or an AEAD cipher")
    if integrity and (segment.integrity is None or not _keyed(segment.integrity)):
        raise _refused("segment integrity", "none", "authenticated sectors (dataIntegrity)")


def _keyed(integrity: _Integrity) -> bool:
    return integrity.type in {"aead", "poly1305"} or integrity.type.startswith("hmac(")


def _require_keyslot(name: str, slot: _Keyslot) -> None:
    area = slot.area
    sound = _KEYSLOT.fullmatch(area.encryption) is not None and area.key_size >= _SMALLEST_KEY
    if slot.type != "luks2" or not sound:
        shown = f"{slot.type} {area.encryption}, {area.key_size} bytes"
        raise _refused(f"keyslot {name}", shown, "luks2, XTS with 32 bytes of key at least")


def _refused(claim: str, got: str, expected: str) -> VerificationError:
    return VerificationError(
        Refusal(
            step=Station.START.value,
            claim=f"LUKS2 {claim}",
            got=got[:200],
            expected=expected,
            rule="guest-components §12.1: a header is the host's word until the key opens it",
            remedy="Somebody changed the volume's header; restore it from your backup.",
        )
    )
