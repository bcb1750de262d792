"""What ``casemate evidence`` reads from the command line: folders of files, hex, digests, times."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from casemate.cli.output import write_file
from casemate.crypto.digest import Algorithm, Digest
from casemate.errors import MALFORMED_JSON, InputError
from casemate.files import read
from casemate.tee.material import LARGEST_FILE, MOST_FILES


def read_all(places: Iterable[Path]) -> dict[str, bytes]:
    """Read files, and folders with all below them: name within its folder → content.

    Raises:
        InputError: too many, too large, or unreadable.
    """
    found: dict[str, bytes] = {}
    for place in places:
        inside = (file for file in sorted(place.rglob("*")) if file.is_file())
        for file in inside if place.is_dir() else [place]:
            name = str(file.relative_to(place)) if place.is_dir() else file.name
            if len(found) == MOST_FILES:
                raise InputError(str(place), got="more files", want=f"at most {MOST_FILES}")
            found[name if name not in found else str(file)] = read_evidence(file)
    return found


class _WithLog(msgspec.Struct, frozen=True):
    event_log: bytes | None = None
    """A TPM's evidence has it here."""
    cc_eventlog: bytes | None = None
    """Evidence of TDX and of CSV."""


def event_log(evidence: bytes) -> bytes:
    """Give the event log inside evidence; InputError when there is none."""
    try:
        found = msgspec.json.decode(evidence, type=_WithLog)
    except MALFORMED_JSON as error:
        raise InputError("evidence", got=error, want="evidence with a log, JSON") from error
    inside = found.event_log or found.cc_eventlog
    if not inside:
        raise InputError("evidence", got="no event log", want="event_log or cc_eventlog")
    return inside


def from_hex(text: str | None, option: str) -> bytes | None:
    """Read an option in hex; InputError when it is not."""
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InputError(option, got=text, want="hex") from error


def digest(text: str | None) -> Digest | None:
    """Read a digest, ``sha384:hex`` or hex alone, whose length then names the algorithm.

    Raises:
        InputError: neither form.
    """
    if text is None:
        return None
    if ":" in text:
        return Digest.parse(text)
    value = from_hex(text, "--init-data") or b""
    sizes = {algorithm.size: algorithm for algorithm in Algorithm}
    if len(value) not in sizes:
        raise InputError("--init-data", got=f"{len(value)} bytes", want="32, 48 or 64 bytes in hex")
    return Digest(sizes[len(value)], value)


def moment(text: str | None) -> datetime:
    """Read a time with its zone; the clock's without one. InputError when it is no time."""
    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError("--now", got=text, want="a time such as 2025-07-01T00:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_evidence(file: Path) -> bytes:
    """Read evidence, of at most 4 MiB; InputError when it is larger or unreadable."""
    return read(file, largest=LARGEST_FILE)


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write files and the folders they lie in, each as ``output.write_file`` does.

    Raises:
        InputError: a place that cannot be written.
    """
    for place, body in files.items():
        write_file(place, body)


def reference_values(file: Path | None) -> dict[str, Any]:
    """Read reference values, a JSON object; none without a file. InputError for anything else."""
    if file is None:
        return {}
    try:
        return msgspec.json.decode(read_evidence(file), type=dict[str, Any])
    except MALFORMED_JSON as error:
        raise InputError(str(file), got=error, want="a JSON object of names and values") from error
