"""Lines by which the guest tells its story on the serial console.

``casemate-event {json}``, one line each, at most 4 KiB. The host carries and can forge them: they
are for people and traces, never for trust, and never hold a secret.
"""

from contextlib import suppress
from enum import StrEnum
from typing import Final

import msgspec

from casemate.errors import MALFORMED_JSON, Refusal
from casemate.trace import Station

PREFIX: Final = b"casemate-event "
LONGEST_LINE: Final = 4096
"""Bytes, prefix and line end included."""

_LONGEST_NOTE: Final = 400


class EventKind(StrEnum):
    """What an event says."""

    BEGIN = "begin"
    END = "end"
    READY = "ready"
    """The agent answers from now on."""
    REFUSED = "refused"
    """A proof failed or a policy said no; ``refusal`` tells why, and the VM powers off."""
    FAILED = "failed"
    """The guest cannot go on for another reason; ``note`` tells, and the VM powers off."""
    NOTE = "note"


class ConsoleEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event. ``uptime`` is seconds since the guest's kernel started."""

    kind: EventKind
    station: Station
    note: str = ""
    refusal: Refusal | None = None
    uptime: float = 0.0


_PANIC: Final = b"Kernel panic - not syncing: "
_ROOT_CHANGED: Final = Refusal(
    step="boot",
    claim="root file system",
    got="dm-verity: a block that does not belong to the root hash",
    expected="the root file system that was measured",
    rule="dm-verity root hash on the measured kernel command line",
    remedy="the disk was changed after the build: deploy the image again",
)

_DECODER: Final = msgspec.json.Decoder(ConsoleEvent)


def encode(event: ConsoleEvent) -> bytes:
    """The line of an event, line end included; texts are cut so that it fits."""
    line = _line(event)
    if len(line) <= LONGEST_LINE:
        return line
    return _line(_shortened(event))


def parse(line: bytes) -> ConsoleEvent | None:
    """Read one console line; None when it is no event, or a damaged one.

    The kernel talks on the console too, also in the middle of an event: it writes past the
    terminal, and a machine that powers off leaves a line as it is. A panic of the kernel counts as
    an event, wherever it stands: it is the last thing such a guest says.
    """
    start = line.find(PREFIX)
    if start >= 0 and len(line) - start <= LONGEST_LINE:
        with suppress(*MALFORMED_JSON):
            return _DECODER.decode(line[start + len(PREFIX) :].strip())
    return _panic(line)


def _panic(line: bytes) -> ConsoleEvent | None:
    """Read the kernel's last words: it stops at once when a block of the root disk is wrong."""
    _, found, words = line.partition(_PANIC)
    if not found:
        return None
    said = words.strip().decode(errors="replace")
    if "dm-verity" not in said:
        return ConsoleEvent(kind=EventKind.FAILED, station=Station.BOOT, note=_cut(said))
    return ConsoleEvent(kind=EventKind.REFUSED, station=Station.BOOT, refusal=_ROOT_CHANGED)


def _line(event: ConsoleEvent) -> bytes:
    return PREFIX + msgspec.json.encode(event) + b"\n"


def _shortened(event: ConsoleEvent) -> ConsoleEvent:
    cut = None
    if event.refusal is not None:
        texts = {field: _cut(str(getattr(event.refusal, field))) for field in _REFUSAL_FIELDS}
        cut = Refusal(**texts)
    return msgspec.structs.replace(event, note=_cut(event.note), refusal=cut)


def _cut(text: str) -> str:
    """Keep the text within its share of a line, counted in bytes as JSON writes them."""
    while len(msgspec.json.encode(text)) > _LONGEST_NOTE:
        text = text[: len(text) * 3 // 4]
    return text


_REFUSAL_FIELDS: Final = ("step", "claim", "got", "expected", "rule", "remedy")
