"""A TPM 2.0 as a wire: one command in, one answer out.

The kernel's device and the two sockets of an emulator look the same from above.
"""

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from casemate.errors import HostError
from casemate.wire.tpm_command import LARGEST_MESSAGE

_ANSWER_HEAD: Final = 10  # bytes: tag, size, code
_CONTROL_INIT: Final = 2
_CONTROL_SHUTDOWN: Final = 3
_CONTROL_SET_DATA: Final = 16
_TIMEOUT: Final = 60.0  # seconds; making an RSA key takes a few of them under emulation


class TpmLateError(HostError):
    """The kernel gave up waiting: whether the TPM did what it was asked, or will, is not known.

    It waits 750 ms for PCR_Extend, and two minutes at most (tpm2-cmd.c): busy hosts take longer.
    """


class Transport(Protocol):
    """Where TPM commands go."""

    def transmit(self, command: bytes) -> bytes:
        """Send one command and give its whole answer.

        Raises:
            TpmLateError: the kernel has waited long enough.
            HostError: the TPM is gone or answers nonsense.
        """
        ...


class TpmDevice:
    """A device node such as ``/dev/tpmrm0`` (the kernel's resource manager) or ``/dev/tpm0``."""

    def __init__(self, path: Path) -> None:
        """Open the device.

        Raises:
            HostError: it cannot be opened.
        """
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(str(path), got=error.strerror or error, want="a TPM device") from error

    def transmit(self, command: bytes) -> bytes:
        try:
            os.write(self._fd, command)
            return os.read(self._fd, LARGEST_MESSAGE)
        except OSError as error:
            kind = TpmLateError if error.errno == errno.ETIME else HostError
            raise kind(str(self._path), got=error.strerror or error, want="answer") from error

    def close(self) -> None:
        os.close(self._fd)


class EmulatedTpm:
    """The control and data channels of a running swtpm (``swtpm_ioctls(3)``), initialised.

    Closing them ends an swtpm that was started with ``--terminate``.
    """

    def __init__(self, control: socket.socket) -> None:
        """Take over a control channel, and hand swtpm one end of a new data channel.

        Raises:
            HostError: swtpm refuses, or is gone.
        """
        self._control = control
        self._control.settimeout(_TIMEOUT)
        self._data, theirs = socket.socketpair()
        self._data.settimeout(_TIMEOUT)
        try:
            with theirs:
                self._hand_over(theirs)
            self.reset()
        except HostError:
            self._data.close()
            raise

    def _hand_over(self, data: socket.socket) -> None:
        request = _CONTROL_SET_DATA.to_bytes(4, "big")
        self._command(
            "data channel", lambda: socket.send_fds(self._control, [request], [data.fileno()])
        )

    def reset(self) -> None:
        """Power-cycle the TPM; TPM2_Startup comes next."""
        request = _CONTROL_INIT.to_bytes(4, "big") + bytes(4)
        self._command("initialise", lambda: self._control.sendall(request))

    def transmit(self, command: bytes) -> bytes:
        try:
            self._data.sendall(command)
            head = _receive(self._data, _ANSWER_HEAD)
            size = int.from_bytes(head[2:6], "big")
            if not _ANSWER_HEAD <= size <= LARGEST_MESSAGE:
                raise HostError("swtpm", got=f"answer of {size} bytes", want="at most 4096")
            return head + _receive(self._data, size - _ANSWER_HEAD)
        except OSError as error:
            raise HostError("swtpm", got=error, want="an answer to a TPM command") from error

    def close(self) -> None:
        """Store the TPM's state and let go of both channels."""
        with suppress(HostError):  # it may be gone already, and then there is nothing to store
            request = _CONTROL_SHUTDOWN.to_bytes(4, "big")
            self._command("shut down", lambda: self._control.sendall(request))
        self._data.close()
        self._control.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _command(self, what: str, send: Callable[[], object]) -> None:
        try:
            send()
            code = int.from_bytes(_receive(self._control, 4), "big")
        except OSError as error:
            raise HostError(f"swtpm: {what}", got=error, want="an answer") from error
        if code:
            raise HostError(f"swtpm: {what}", got=f"result {code:#x}", want="success")


def _receive(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        if not more:
            raise ConnectionResetError("the TPM closed its channel")
        data += more
    return data
