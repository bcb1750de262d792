"""Bring the local stack down: end what the record names, and nothing else."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from casemate.errors import CasemateError
from casemate.linux import daemon
from casemate.runtime.sandbox import Sandboxes
from casemate.stack.folder import Record, Service, StateFolder
from casemate.stack.services import ADAPTOR

_log = logging.getLogger(__name__)

_GRACE: Final = 15.0
"""Seconds a daemon has to end by itself; the adaptor stops its VMs in that time."""


async def down(folder: StateFolder) -> tuple[str, ...]:
    """End every pod, then every daemon of the folder; give the names of the daemons that ran.

    The folder must be held.
    """
    record = folder.read()
    if record.service(ADAPTOR) is not None:
        await _end_pods(folder)
    return await asyncio.to_thread(stop_services, folder, record.services)


async def _end_pods(folder: StateFolder) -> None:
    """Remove the pods that have a VM; one that cannot be removed ends with the adaptor."""
    sandboxes = Sandboxes(folder.root)
    for pod in sandboxes.pods.all():
        if pod.agent:
            try:
                await sandboxes.remove(pod)
            except CasemateError as error:
                _log.warning("pod %s: %s", pod.id, error)


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
