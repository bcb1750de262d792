"""The three daemons of the local stack: what each needs on disk, how it starts, when it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from casemate import files
from casemate.crypto.authority import CertificateAuthority
from casemate.linux import program
from casemate.net import ports
from casemate.stack import probe
from casemate.stack.folder import StateFolder
from casemate.stack.private import write_private
from casemate.stack.program import CASEMATE, own_environment

NAMES: Final = ("localhost", "127.0.0.1", "10.0.2.2")
"""Names of this machine: for itself, and for a guest behind QEMU's user-mode network."""

TRUSTEE: Final = "trustee"
REGISTRY: Final = "registry"
ADAPTOR: Final = "adaptor"

_KEPT: Final = 32
"""Believed attestations that the local Trustee keeps: what an auditor, or the demo, reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start one daemon and know that it answers."""

    name: str
    argv: tuple[str | Path, ...]
    address: str
    ready: probe.Probe
    env: Mapping[str, str] = field(default_factory=dict)


def platform(folder: StateFolder) -> None:
    """Make the local platform's authority, once. It stands for a maker of hardware."""
    if not (folder.platform / "ca.pem").exists():
        _keep(CertificateAuthority.create("Casemate local platform"), folder.platform)


def trustee(folder: StateFolder, port: int) -> Launch:
    """Make the Trustee's folder, once, and plan its start with the local VM's TEE allowed."""
    settings = folder.trustee / "trustee.toml"
    if not settings.exists():
        program.run([*CASEMATE, "trustee", "init", folder.trustee], timeout=60)
    url = f"https://{ports.LOOPBACK}:{port}"
    return Launch(
        name=TRUSTEE,
        argv=(*CASEMATE, "trustee", "serve", "--config", settings),
        address=url,
        ready=probe.answers(url, anchors_pem=(folder.trustee / "ca.pem").read_bytes()),
        env={
            "CASEMATE_TRUSTEE_HTTP_PORT": str(port),
            "CASEMATE_TRUSTEE_PROFILE": "development",
            "CASEMATE_TRUSTEE_EVIDENCE_KEEP": str(_KEPT),
            "CASEMATE_TRUSTEE_AK_AUTHORITIES": str(folder.platform / "ca.pem"),
        },
    )


def registry(folder: StateFolder, port: int) -> Launch:
    """Make the registry's certificate and configuration, and plan its start."""
    place = folder.registry
    if not (place / "ca.pem").exists():
        authority = CertificateAuthority.create("Casemate local registry")
        leaf = authority.issue_server("localhost", NAMES)
        write_private(place / "server.key", leaf.key_pem)
        (place / "server.pem").write_bytes(leaf.certificate_pem)
        files.replace(place / "ca.pem", authority.certificate_pem)
    configuration = place / "config.yml"
    configuration.write_text(_registry_configuration(place, port))
    url = f"https://{ports.LOOPBACK}:{port}"
    return Launch(
        name=REGISTRY,
        argv=("docker-registry", "serve", configuration),
        address=url,
        ready=probe.answers(f"{url}/v2/", anchors_pem=(place / "ca.pem").read_bytes()),
    )


def adaptor(folder: StateFolder) -> Launch:
    """Plan the adaptor's start; what it needs it makes itself, below the state folder."""
    return Launch(
        name=ADAPTOR,
        argv=(*CASEMATE, "adaptor", "serve", "--state", folder.root),
        address=str(folder.adaptor_socket),
        ready=probe.listens(folder.adaptor_socket),
        env=own_environment(),
    )


def _registry_configuration(place: Path, port: int) -> str:
    """Write docker-registry's configuration; JSON is YAML, so no path needs quoting by hand."""
    import json

    return json.dumps(
        {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": str(place / "storage")},
                "delete": {"enabled": True},
            },
            "http": {
                "addr": f"{ports.LOOPBACK}:{port}",
                "tls": {
                    "certificate": str(place / "server.pem"),
                    "key": str(place / "server.key"),
                },
            },
        },
        indent=2,
    )


def _keep(authority: CertificateAuthority, place: Path) -> None:
    """Write key, then certificate: a certificate on disk means that both are there."""
    write_private(place / "ca.key", authority.key_pem)
    files.replace(place / "ca.pem", authority.certificate_pem)
