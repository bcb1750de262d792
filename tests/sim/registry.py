"""A real registry (Debian's docker-registry) with TLS on a free port, for the while of a test."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.net import ports

_CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  tls: {{certificate: {folder}/tls.pem, key: {folder}/tls.key}}
{auth}"""


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """Where it listens, whom to trust, and where its blobs lie (to be changed by an attacker)."""

    port: int
    anchors_pem: str
    folder: Path

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def blob(self, digest: str) -> Path:
        """Give the file that holds a blob."""
        algorithm, _, hexadecimal = digest.partition(":")
        blobs = self.folder / "data/docker/registry/v2/blobs"
        return blobs / algorithm / hexadecimal[:2] / hexadecimal / "data"


@contextmanager
def registry(folder: Path, *, htpasswd: str | None = None) -> Iterator[RunningRegistry]:
    """Run a registry whose data lie in ``folder``; ``htpasswd`` (a line) asks for a password."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no docker-registry on this machine: apt-get install docker-registry")
    authority = CertificateAuthority.create("test authority", lifetime=timedelta(days=1))
    issued = authority.issue_server("registry", ["localhost", "127.0.0.1"])
    (folder / "tls.pem").write_bytes(issued.certificate_pem)
    (folder / "tls.key").write_bytes(issued.key_pem.reveal())
    (folder / "ca.crt").write_bytes(authority.certificate_pem)
    port = ports.free()
    auth = ""
    if htpasswd:
        (folder / "htpasswd").write_text(htpasswd + "\n")
        auth = f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n"
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder, port=port, auth=auth))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(config)],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _await_port(port, process, folder / "log")
        yield RunningRegistry(port, authority.certificate_pem.decode(), folder)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"registry ended: {log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"registry never listened: {log.read_text()}")
