import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux.tpm import EmulatedTpm, TpmDevice, TpmLateError

OK = bytes(4)


@contextmanager
def emulator(answer: bytes) -> Iterator[socket.socket]:
    """Play swtpm: agree to everything, and answer the first TPM command with ``answer``."""
    ours, theirs = socket.socketpair()

    def play() -> None:
        _, (data, *_), _, _ = socket.recv_fds(theirs, 64, 1)
        theirs.sendall(OK)
        theirs.recv(64)
        theirs.sendall(OK)
        with socket.socket(fileno=data) as channel:
            channel.recv(4096)
            channel.sendall(answer)
        theirs.recv(64)
        theirs.close()

    player = threading.Thread(target=play)
    player.start()
    try:
        yield ours
    finally:
        ours.close()
        player.join()


def test_answer_comes_back_whole() -> None:
    answer = bytes.fromhex("80010000000c000000001234")
    with emulator(answer) as control, EmulatedTpm(control) as tpm:
        assert tpm.transmit(b"command") == answer


@pytest.mark.parametrize("answer", ["", "8001", "800100000009ff", "8001ffffffff00000000"])
def test_broken_answer_is_the_hosts_fault(answer: str) -> None:
    with (
        emulator(bytes.fromhex(answer)) as control,
        EmulatedTpm(control) as tpm,
        pytest.raises(HostError),
    ):
        tpm.transmit(b"command")


def test_emulator_that_is_gone_is_the_hosts_fault() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(HostError):
        EmulatedTpm(ours)


def test_missing_device_is_the_hosts_fault(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file"):
        TpmDevice(tmp_path / "tpm0")


def test_kernel_that_gives_up_waiting_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_descriptor: int, _command: bytes) -> int:
        raise OSError(errno.ETIME, "Timer expired")

    device = TpmDevice(Path(os.devnull))
    monkeypatch.setattr(os, "write", late)
    with pytest.raises(TpmLateError, match="Timer expired"):
        device.transmit(b"command")
    device.close()


def test_device_that_does_not_answer_is_the_hosts_fault() -> None:
    device = TpmDevice(Path(os.devnull))
    assert device.transmit(b"command") == b""
    device.close()
    with pytest.raises(HostError):
        device.transmit(b"command")
