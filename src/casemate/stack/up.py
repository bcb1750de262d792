"""Bring the local stack up: what does not run yet is started, and waited for."""

from collections.abc import Callable

from casemate.linux import daemon
from casemate.net import ports
from casemate.stack import probe, services
from casemate.stack.down import stop_services
from casemate.stack.folder import Record, Service, StateFolder


async def up(
    folder: StateFolder,
    *,
    trustee_port: int | None = None,
    registry_port: int | None = None,
    progress: Callable[[str], None],
) -> Record:
    """Start Trustee, registry and adaptor; give the record. The folder must be held.

    Ports: None keeps those of the last time, 0 (and the first time) finds free ones. When one
    daemon does not come up, those started by this call are stopped again.

    Raises:
        HostError: a port is in use, a program is missing, or a daemon ends or never answers.
    """
    before = folder.read()
    record = Record(
        trustee_port=_port(before, services.TRUSTEE, before.trustee_port, trustee_port),
        registry_port=_port(before, services.REGISTRY, before.registry_port, registry_port),
        services=tuple(s for s in before.services if s.daemon.alive),
    )
    running = {service.name for service in record.services}
    try:
        return await _start_missing(folder, record, progress)
    except BaseException:
        ours = [s for s in folder.read().services if s.name not in running]
        stop_services(folder, ours)
        raise


async def _start_missing(
    folder: StateFolder, record: Record, progress: Callable[[str], None]
) -> Record:
    services.platform(folder)
    if record.service(services.TRUSTEE) is None:
        progress("Trustee")
        record = await _start(folder, record, services.trustee(folder, record.trustee_port))
    if record.service(services.REGISTRY) is None:
        progress("registry")
        record = await _start(folder, record, services.registry(folder, record.registry_port))
    if record.service(services.ADAPTOR) is None:
        progress("adaptor")
        record = await _start(folder, record, services.adaptor(folder))
    return record


async def _start(folder: StateFolder, record: Record, launch: services.Launch) -> Record:
    """Start one daemon. It is in the record before it begins, so it can always be stopped."""
    log = folder.logs / f"{launch.name}.log"
    log.unlink(missing_ok=True)

    def written_down(started: daemon.Daemon) -> None:
        service = Service(name=launch.name, daemon=started, address=launch.address, log=str(log))
        folder.write(_with(record, service))

    started = daemon.spawn(launch.argv, log=log, env=launch.env, record=written_down)
    await probe.ready(launch.name, started, launch.ready, log=log)
    return folder.read()


def _with(record: Record, service: Service) -> Record:
    return Record(
        trustee_port=record.trustee_port,
        registry_port=record.registry_port,
        services=(*record.services, service),
    )


def _port(record: Record, name: str, before: int, wanted: int | None) -> int:
    """Choose a port: a running daemon keeps its own, whatever is wanted."""
    if record.service(name) is not None:
        return before
    return ports.claim(before if wanted is None else wanted, purpose=name)
