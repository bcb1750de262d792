"""Bring the local stack down: end what the record names, and nothing else."""

from collections.abc import Sequence
from typing import Final

from casemate.linux import daemon
from casemate.stack.folder import Record, Service, StateFolder

_GRACE: Final = 15.0
"""Seconds a daemon has to end by itself; the adaptor stops its VMs in that time."""


def down(folder: StateFolder) -> tuple[str, ...]:
    """Stop every daemon of the folder; give the names of those that ran. It must be held."""
    return stop_services(folder, folder.read().services)


def stop_services(folder: StateFolder, services: Sequence[Service]) -> tuple[str, ...]:
    """Stop some daemons, the last started first, and forget them; give those that ran."""
    stopped = [s.name for s in reversed(services) if daemon.stop(s.daemon, grace=_GRACE)]
    record = folder.read()
    if record.services:
        left = tuple(s for s in record.services if s not in services)
        folder.write(
            Record(
                trustee_port=record.trustee_port,
                registry_port=record.registry_port,
                services=left,
            )
        )
    return tuple(stopped)
