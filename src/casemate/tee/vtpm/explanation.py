"""Predicted against seen: which event differs, in words a person can act on."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

import msgspec

from casemate.tee.vtpm.launch import PredictedEvent
from casemate.wire.eventlog import EventLog, LoggedEvent
from casemate.wire.eventlog_json import to_claim, type_name
from casemate.wire.tpm import ALG_SHA256, PCR_COUNT


class Difference(msgspec.Struct, frozen=True):
    """One place where a boot left the predicted road. ``predicted`` or ``seen`` may be absent."""

    register: int
    predicted: str | None
    predicted_digest: bytes
    """Empty when nothing was predicted here."""
    seen: str | None
    seen_digest: bytes
    """Empty when nothing was seen here."""

    def __str__(self) -> str:
        expected = f"{self.predicted} ({self.predicted_digest.hex()[:16]}…)"
        found = f"{self.seen} ({self.seen_digest.hex()[:16]}…)"
        return (
            f"PCR {self.register}: predicted {expected if self.predicted else 'nothing more'}, "
            f"seen {found if self.seen else 'nothing more'}"
        )


def explain(predicted: Iterable[PredictedEvent], seen: EventLog) -> list[Difference]:
    """Compare each register's events in order; an empty list means the same boot.

    Events that firmware does not log (IMA's) are left out: they follow from the others.
    """
    events = [event for event in predicted if event.logged]
    differences: list[Difference] = []
    for register in range(PCR_COUNT):
        ours = [event for event in events if event.register == register]
        theirs = [event for event in seen.events if event.register == register]
        differences += _compare(register, ours, theirs)
    return differences


def _compare(
    register: int, ours: Sequence[PredictedEvent], theirs: Sequence[LoggedEvent]
) -> list[Difference]:
    left = [event.digest for event in ours]
    right = [event.digest(ALG_SHA256) or b"" for event in theirs]
    found: list[Difference] = []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            for k in range(max(i_end - i, j_end - j)):
                mine = ours[i + k] if i + k < i_end else None
                other = theirs[j + k] if j + k < j_end else None
                found.append(_difference(register, mine, other))
    return found


def _difference(
    register: int, ours: PredictedEvent | None, theirs: LoggedEvent | None
) -> Difference:
    return Difference(
        register=register,
        predicted=ours.description if ours else None,
        predicted_digest=ours.digest if ours else b"",
        seen=describe(theirs) if theirs else None,
        seen_digest=(theirs.digest(ALG_SHA256) or b"") if theirs else b"",
    )


def describe(event: LoggedEvent) -> str:
    """Say in a few words what a log's entry says of itself (which nothing proves)."""
    details = to_claim(event, strict=False)["details"]
    text = details.get("string") or details.get("unicode_name")
    if text is None and "device_paths" in details:
        text = "/".join(details["device_paths"])
    return f"{type_name(event.kind)} {text!r}" if text else type_name(event.kind)
