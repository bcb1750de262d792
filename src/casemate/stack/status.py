"""What of the local stack runs."""

import msgspec

from casemate.stack import services
from casemate.stack.folder import StateFolder


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon, running or not."""

    name: str
    running: bool
    pid: int | None
    address: str
    log: str


def status(folder: StateFolder) -> list[Status]:
    """Look at each daemon of the record, by pid and start time; nothing is asked or changed."""
    return [
        _status(folder, name) for name in (services.TRUSTEE, services.REGISTRY, services.ADAPTOR)
    ]


def _status(folder: StateFolder, name: str) -> Status:
    service = folder.read().service(name)
    if service is None:
        return Status(name=name, running=False, pid=None, address="", log="")
    return Status(
        name=name,
        running=True,
        pid=service.daemon.pid,
        address=service.address,
        log=service.log,
    )
