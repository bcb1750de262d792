"""The TPM emulator as a program: how it is started, and a short-lived one in our hands."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from casemate.errors import InputError
from casemate.linux.process import find, minimal_environment
from casemate.linux.tpm import EmulatedTpm

_GRACE: Final = 5.0  # seconds for swtpm to end once its channels are closed


def arguments(state: Path, control: Path) -> list[str]:
    """Give the command line of an swtpm that QEMU or ``EmulatedTpm.connect`` drives.

    It ends when its control channel closes. ``state`` is this machine's own folder.

    Raises:
        InputError: a path is not absolute (swtpm would take it against its own folder).
    """
    return _start(state, f"type=unixio,path={_absolute(control)}")


@contextmanager
def emulated_tpm(state: Path) -> Iterator[EmulatedTpm]:
    """Run an swtpm on ``state`` (absolute, exists) and end it with the block.

    Its channel is a socket pair: nothing in the file system, nothing left when we are killed.

    Raises:
        HostError: swtpm is not installed or does not answer.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        words = _start(state, f"type=unixio,clientfd={theirs.fileno()}")
        process = subprocess.Popen(
            [str(find(words[0])), *words[1:]],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=minimal_environment(),
        )
    try:
        with EmulatedTpm(ours) as tpm:
            yield tpm
    finally:
        ours.close()
        _end(process)


def _start(state: Path, control: str) -> list[str]:
    where = f"dir={_absolute(state)},mode=0600"
    return ["swtpm", "socket", "--tpm2", "--tpmstate", where, "--ctrl", control, "--terminate"]


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or "," in str(path):
        raise InputError("path for swtpm", got=path, want="an absolute path without a comma")
    return path


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
