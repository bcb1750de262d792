"""Measuring what happens at run time: extend a register, keep the entry that explains it (§5).

Upstream writes a log ahead, to survive its own crash. Here the agent is PID 1 and the log lies in
memory: when one ends so does the other, and nothing is left to recover.
"""

from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

from casemate.errors import HostError, InputError
from casemate.guest.attestation.settings import EventLogSettings
from casemate.tee.runtime import LAST_PCR, RUNTIME
from casemate.wire import aael

EVENT_LOG: Final = Path("/run/attestation-agent/eventlog")


class Outcome(Enum):
    """What became of an extension that is no error."""

    DONE = auto()
    NOT_SUPPORTED = auto()
    NOT_ENABLED = auto()


class Registers(Protocol):
    """The part of an attester that measurements need."""

    @property
    def tee(self) -> str: ...

    @property
    def has_registers(self) -> bool: ...

    def extend(self, register: int, digest: bytes, event: bytes = b"") -> None: ...


class Measurements:
    """Run-time measurements of one guest, into the registers of its TEE (``tee/runtime``)."""

    def __init__(
        self, attester: Registers, settings: EventLogSettings, *, log: Path = EVENT_LOG
    ) -> None:
        self._attester = attester
        self._settings = settings
        self._log = log

    def extend(
        self, domain: str, operation: str, content: str, register: int | None = None
    ) -> Outcome:
        """Measure one event; into ``init_pcr`` unless a register is named (§5.1).

        Raises:
            InputError: the event is not one line, or there is no such register.
            HostError: the device refuses, or the log cannot be written.
        """
        if not self._settings.enable_eventlog:
            return Outcome.NOT_ENABLED
        runtime = RUNTIME.get(self._attester.tee)
        if runtime is None or not self._attester.has_registers:
            return Outcome.NOT_SUPPORTED
        pcr = self._settings.init_pcr if register is None else register
        if not 0 <= pcr <= LAST_PCR:
            raise InputError("RegisterIndex", got=pcr, want="a PCR, 0 to 23")
        event = aael.tagged_event(domain, operation, content)
        own = runtime.register(pcr)
        self._attester.extend(own, aael.digest(event, runtime.bank), event)
        self._append(aael.entry(own, event, runtime.bank))
        return Outcome.DONE

    def _append(self, entry: bytes) -> None:
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as file:
                file.write(entry)
        except OSError as error:
            raise HostError(str(self._log), got=str(error), want="a log to append to") from error
