"""A VM's serial console: kept line by line with the time of arrival, and listened to for events."""

import asyncio
import re
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO, Final

from casemate.errors import CasemateError, PeerError, VerificationError
from casemate.trace import Station
from casemate.wire import console, console_log
from casemate.wire.console import ConsoleEvent, EventKind

_CHUNK: Final = 1 << 14
_LONGEST_LINE: Final = 2 * console.LONGEST_LINE
"""Bytes; a guest that never ends its line is cut here."""
_SWITCHED_ON: Final = console.encode(
    ConsoleEvent(kind=EventKind.BEGIN, station=Station.BOOT, note="VM switched on")
).rstrip()
_ESCAPES: Final = re.compile(rb"\x1b\[[0-9;=?]*[A-Za-z]")


class Console:
    """Reads one VM's console to its end. The guest may write anything: nothing here trusts it."""

    def __init__(self, file: Path) -> None:
        self.ready = asyncio.Event()
        """Set when the guest says that its agent answers."""
        self.last_lines: deque[bytes] = deque(maxlen=8)
        self._file = file
        self._failure: asyncio.Future[CasemateError] = asyncio.get_running_loop().create_future()

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Keep every line until the stream ends, after one of ours: the VM was switched on."""
        pending = b""
        with self._file.open("wb", buffering=0) as kept:
            self._keep(_SWITCHED_ON, kept)
            while data := await stream.read(_CHUNK):
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._keep(line, kept)
                if len(pending) > _LONGEST_LINE:
                    self._keep(pending, kept)
                    pending = b""
            if pending:
                self._keep(pending, kept)

    async def failure(self) -> CasemateError:
        """Wait until the guest tells of a refusal or a failure."""
        return await asyncio.shield(self._failure)

    @property
    def told_failure(self) -> CasemateError | None:
        """What the guest told, if it did."""
        return self._failure.result() if self._failure.done() else None

    def tail(self) -> str:
        """The last lines, on one line."""
        return " / ".join(line.decode(errors="replace").strip() for line in self.last_lines)

    def _keep(self, line: bytes, kept: BinaryIO) -> None:
        text = _ESCAPES.sub(b"", line).strip(b"\r")
        entry = console_log.encode(console_log.ConsoleLine(time.time(), text))
        if kept.tell() + len(entry) <= console_log.LARGEST:
            kept.write(entry)
        event = console.parse(text)
        if event is None:
            if text.strip():
                self.last_lines.append(text[:400])
        else:
            self._hear(event)

    def _hear(self, event: ConsoleEvent) -> None:
        if event.kind is EventKind.READY:
            self.ready.set()
        elif not self._failure.done() and (error := _error(event)) is not None:
            self._failure.set_result(error)


def _error(event: ConsoleEvent) -> CasemateError | None:
    if event.kind is EventKind.REFUSED and event.refusal is not None:
        return VerificationError(event.refusal)
    if event.kind in {EventKind.REFUSED, EventKind.FAILED}:
        return PeerError(f"pod VM: {event.station}", got=event.note or "a failure", want="success")
    return None
