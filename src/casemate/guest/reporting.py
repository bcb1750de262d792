"""Telling people outside how far the pod has come: stations begun and ended, refusals with reasons.

What is told goes to the serial console, so it is never trusted and never holds a secret.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from casemate.errors import CasemateError, Refusal, VerificationError
from casemate.trace import Station
from casemate.wire.console import ConsoleEvent, EventKind

Report: TypeAlias = Callable[[ConsoleEvent], None]
"""Takes an event; whoever gives it adds the time."""


class Stations:
    """Reports stations in pairs, and each refusal once, at the innermost station it stopped."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._told: Refusal | None = None

    @contextmanager
    def at(self, station: Station, note: str) -> Iterator[None]:
        """Report begin and end around a block, and why it was left early."""
        self._report(ConsoleEvent(kind=EventKind.BEGIN, station=station, note=note))
        try:
            yield
        except VerificationError as error:
            self._refused(station, error.refusal)
            raise
        except CasemateError as error:
            self._report(ConsoleEvent(kind=EventKind.NOTE, station=station, note=str(error)))
            raise
        finally:
            self._report(ConsoleEvent(kind=EventKind.END, station=station, note=note))

    def note(self, station: Station, note: str) -> None:
        """Report a detail of what goes on at a station."""
        self._report(ConsoleEvent(kind=EventKind.NOTE, station=station, note=note))

    def _refused(self, station: Station, refusal: Refusal) -> None:
        if refusal is self._told:
            return
        self._told = refusal
        self._report(
            ConsoleEvent(
                kind=EventKind.REFUSED, station=station, note=refusal.claim, refusal=refusal
            )
        )
