"""The event log that travels with evidence of TDX and CSV, gathered from its files (tee §5.2)."""

from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.tee.machine import Machine
from casemate.wire import aael
from casemate.wire.eventlog import LARGEST_LOG

FIRMWARE: Final = Path("/sys/firmware/acpi/tables/data/CCEL")
OWN: Final = "/run/attestation-agent/eventlog"
"""Where the attestation agent keeps its entries, unless ``AAEL_PATH`` names another place."""


def gather(machine: Machine) -> bytes | None:
    """Give the firmware's entries, then the agent's; None where neither measured anything.

    Raises:
        HostError: a file that is there cannot be read.
        PeerError: the firmware's log cannot be understood.
    """
    own = machine.environ.get("AAEL_PATH") or OWN
    return aael.join(_read(machine.path(FIRMWARE)), _read(machine.path(own)))


def _read(file: Path) -> bytes | None:
    try:
        with file.open("rb") as stream:
            return stream.read(LARGEST_LOG + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(str(file), got=error.strerror, want="an event log to read") from error
