from pathlib import Path

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.errors import HostError
from casemate.linux import daemon
from casemate.net import ports
from casemate.net.http import HttpClient
from casemate.stack import probe, services
from casemate.stack.down import stop_services
from casemate.stack.folder import Record, Service, StateFolder


async def test_registry_answers_over_tls_and_goes_away(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    with folder.held("test"):
        launch = services.registry(folder, ports.free())
        log = folder.logs / "registry.log"
        started = daemon.spawn(launch.argv, log=log)
        service = Service(name="registry", daemon=started, address=launch.address, log=str(log))
        folder.write(Record(registry_port=1, services=(service,)))
        try:
            await probe.ready("registry", started, launch.ready, log=log)
            anchors = (folder.registry / "ca.pem").read_text()
            async with HttpClient(anchors_pem=anchors) as client:
                assert (await client.request("GET", f"{launch.address}/v2/")).status == 200
        finally:
            assert stop_services(folder, [service]) == ("registry",)
    assert folder.read() == Record(registry_port=1)


async def test_daemon_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    started = daemon.spawn(["sh", "-c", "echo no such setting; exit 2"], log=log)
    with pytest.raises(HostError, match="no such setting"):
        await probe.ready("trustee", started, probe.listens(tmp_path / "none"), log=log)
    daemon.stop(started, grace=0)


def test_platform_authority_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    services.platform(folder)
    first = (folder.platform / "ca.pem").read_bytes()
    services.platform(folder)
    key = folder.platform / "ca.key"
    assert (folder.platform / "ca.pem").read_bytes() == first
    assert key.stat().st_mode & 0o077 == 0
    CertificateAuthority.load(first, key.read_bytes())
