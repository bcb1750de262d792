"""The TPM emulator as a program in our hands, for as long as a block lasts."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from casemate.errors import InputError
from casemate.linux.program import find, minimal_environment
from casemate.linux.tpm import EmulatedTpm

_GRACE: Final = 5.0  # seconds for swtpm to end once its channels are closed


@contextmanager
def emulated_tpm(state: Path) -> Iterator[EmulatedTpm]:
    """Run an swtpm on ``state`` (its own folder, which exists) and end it with the block.

    Its channel is a socket pair: nothing in the file system, nothing left when we are killed.

    Raises:
        InputError: the path is not absolute (swtpm would take it against its own folder).
        HostError: swtpm is not installed or does not answer.
    """
    words = _words(_absolute(state))
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [*words, "--ctrl", f"type=unixio,clientfd={theirs.fileno()}"],
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


def _words(state: Path) -> list[str]:
    where = f"dir={state},mode=0600"
    return [str(find("swtpm")), "socket", "--tpm2", "--tpmstate", where, "--terminate"]


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
