"""The voice of the guest: events on the serial console, with the guest's own clock."""

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import CasemateError, Refusal, VerificationError
from casemate.trace import Station
from casemate.wire.console import ConsoleEvent, EventKind, encode

_CONSOLE: Final = Path("/dev/console")
_FRAMES: Final = 4


class Console:
    """Writes events; a console that cannot be written costs the story, never the pod."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path = _CONSOLE) -> "Console":
        """Open the console device; standard error stands in where there is none."""
        try:
            return cls(os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC))
        except OSError:
            return cls(2)

    def report(self, event: ConsoleEvent) -> None:
        """Write one event with the time since the kernel started."""
        uptime = round(time.clock_gettime(time.CLOCK_BOOTTIME), 3)
        line = encode(msgspec.structs.replace(event, uptime=uptime))
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:
            return

    def begin(self, station: Station, note: str = "") -> None:
        """Report that a station begins."""
        self.report(ConsoleEvent(kind=EventKind.BEGIN, station=station, note=note))

    def end(self, station: Station, note: str = "") -> None:
        """Report that a station has ended."""
        self.report(ConsoleEvent(kind=EventKind.END, station=station, note=note))

    def note(self, station: Station, note: str) -> None:
        """Report a detail of what goes on at a station."""
        self.report(ConsoleEvent(kind=EventKind.NOTE, station=station, note=note))

    def fatal(self, station: Station, error: BaseException) -> None:
        """Report why the pod cannot go on: a refusal with its reason, or the failure in words."""
        self.report(last_words(station, error))


def last_words(station: Station, error: BaseException) -> ConsoleEvent:
    """The event for an error that ends the pod; errors not ours show their type alone."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if isinstance(error, VerificationError):
        return ConsoleEvent(
            kind=EventKind.REFUSED, station=station, note=str(error), refusal=error.refusal
        )
    if isinstance(error, CasemateError):
        refusal = Refusal(
            step=station.value,
            claim=error.where,
            got=error.got,
            expected=error.want,
            rule=error.spec,
            remedy=error.remedy,
        )
        return ConsoleEvent(
            kind=EventKind.FAILED, station=station, note=str(error), refusal=refusal
        )
    note = f"internal error: {kind_and_place(error)}"
    return ConsoleEvent(kind=EventKind.FAILED, station=station, note=note)


def kind_and_place(error: BaseException) -> str:
    """Tell an unexpected error without its text, which may hold anything: type, and where."""
    return f"{type(error).__name__} {_place(error)}"


def _place(error: BaseException) -> str:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(frames[-_FRAMES:])
