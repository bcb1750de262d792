"""An swtpm on two loopback ports: ours and tpm2-tools talk to the same TPM, one after the other."""

import errno
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from casemate.linux.program import run
from tests.sim.swtpm import require_swtpm

_ATTEMPTS = 10


class SocketTpm:
    """A transport that opens a connection for each command, so that the tools get their turn."""

    def __init__(self, port: int) -> None:
        self._port = port

    def transmit(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as channel:
            channel.sendall(command)
            head = _receive(channel, 10)
            return head + _receive(channel, int.from_bytes(head[2:6], "big") - 10)


class SharedTpm:
    """A TPM that was started up, with a folder for the tools' files."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.transport = SocketTpm(port)
        self._tcti = f"swtpm:host=127.0.0.1,port={port}"

    def tool(self, *words: str | Path) -> str:
        """Run a program of tpm2-tools; give what it writes."""
        done = run(words, cwd=self.folder, env={"TPM2TOOLS_TCTI": self._tcti}, timeout=60)
        return done.stdout.decode()


def require_tools() -> None:
    """Skip the calling test, with the reason, where tpm2-tools are missing."""
    require_swtpm()
    if shutil.which("tpm2_nvread") is None:
        pytest.skip("no tpm2_nvread: apt-get install tpm2-tools")


@contextmanager
def shared_tpm(folder: Path) -> Iterator[SharedTpm]:
    """Run an swtpm on two free ports, and end it with the block."""
    port = _free_pair()
    pid = folder / "swtpm.pid"
    state = folder / "tpm"
    state.mkdir()
    run(
        [
            *("swtpm", "socket", "--tpm2", "--daemon", "--tpmstate", f"dir={state}"),
            *("--server", f"type=tcp,port={port},disconnect"),
            *("--ctrl", f"type=tcp,port={port + 1}", "--pid", f"file={pid}"),
            *("--flags", "not-need-init,startup-clear"),
        ],
        timeout=30,
    )
    try:
        yield SharedTpm(folder, port)
    finally:
        os.kill(int(pid.read_text()), signal.SIGTERM)


def _free_pair() -> int:
    """Find a free port whose successor, where the tools look for the control channel, is free."""
    for _ in range(_ATTEMPTS):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with suppress(OSError):
                two.bind(("127.0.0.1", port + 1))
                return port
    raise OSError(errno.EADDRINUSE, "no two free ports in a row")


def _receive(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        if not more:
            raise ConnectionResetError("swtpm closed the connection")
        data += more
    return data
