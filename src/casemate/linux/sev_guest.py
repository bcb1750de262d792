"""``/dev/sev-guest``: reports of AMD's firmware (linux ``uapi/linux/sev-guest.h``; tee §3.8).

All numbers are little-endian.
"""

import errno
import struct
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux.device import CharacterDevice, Memory, Open, Opened, iowr

DEVICE: Final = Path("/dev/sev-guest")
USER_DATA_SIZE: Final = 64
REPORT_SIZE: Final = 1184
LARGEST_TABLE: Final = 1 << 20
"""Bytes of a certificate table that we make room for; AMD's chains have about 6 KB."""

_REQUEST: Final = struct.Struct("<B7xQQQ")  # version of messages, request, answer, errors
GET_REPORT: Final = iowr("S", 0, _REQUEST.size)
GET_EXTENDED_REPORT: Final = iowr("S", 2, _REQUEST.size)
REPORT_REQUEST: Final = struct.Struct("<64sI28x")  # user data, VMPL
EXTENDED_REQUEST: Final = struct.Struct("<64sI28xQI4x")  # the same, certificates: address, size
ANSWER_SIZE: Final = 4000
ANSWER_HEAD: Final = struct.Struct("<II24x")  # status, size of the report
INVALID_LENGTH: Final = 1
"""The VMM's error when certificates need more room: ``certs_len`` then says how much."""

_VERSION: Final = 1
_TRIES: Final = 3
_PASSING: Final = frozenset({errno.EAGAIN, errno.EINTR, errno.EBUSY})
_SPEC: Final = "tee §3.8"


class SevGuest:
    """The firmware's guest requests; each opens the device anew."""

    def __init__(self, path: Path = DEVICE, *, open_device: Open = CharacterDevice) -> None:
        self._path = path
        self._open = open_device

    def report(self, user_data: bytes, *, vmpl: int = 0) -> bytes:
        """Ask for a report, 1184 bytes.

        Raises:
            HostError: the device is gone or refuses.
        """
        request = Memory(REPORT_REQUEST.pack(user_data, vmpl))
        answer, errors = self._ask(GET_REPORT, request)
        if errors is not None:
            raise self._refused(errors)
        return _report(answer)

    def extended_report(self, user_data: bytes, *, vmpl: int = 0) -> tuple[bytes, bytes]:
        """Ask for a report and the certificate table that the host keeps (may be empty).

        The first try makes no room for certificates; when the host has some, it says how much
        room it wants, in whole pages.

        Raises:
            HostError: the device is gone or refuses, or wants more than 1 MiB.
        """
        size = 0
        for _ in range(_TRIES):
            table = Memory.zeros(size)
            address = table.address if size else 0
            request = Memory(EXTENDED_REQUEST.pack(user_data, vmpl, address, size))
            answer, errors = self._ask(GET_EXTENDED_REPORT, request)
            if errors is None:
                return _report(answer), table.read()
            wanted = EXTENDED_REQUEST.unpack(request.read())[3]
            if errors.vmm != INVALID_LENGTH or not size < wanted <= LARGEST_TABLE:
                raise self._refused(errors)
            size = wanted
        raise HostError(
            str(self._path),
            got="certificates that need ever more room",
            want=f"room for {size} bytes to be enough",
            spec=_SPEC,
        )

    def _ask(self, number: int, request: Memory) -> tuple[bytes, "_Errors | None"]:
        """Make a request: the answer, and why it was refused."""
        for remaining in reversed(range(_TRIES)):
            answer = Memory.zeros(ANSWER_SIZE)
            argument = bytearray(_REQUEST.pack(_VERSION, request.address, answer.address, 0))
            with Opened(self._open(self._path)) as device:
                try:
                    device.ioctl(number, argument)
                except OSError as error:
                    if error.errno in _PASSING and remaining:
                        continue
                    return b"", _Errors(error, _REQUEST.unpack(argument)[3])
            return answer.read(), None
        raise AssertionError  # the last try returns

    def _refused(self, errors: "_Errors") -> HostError:
        return HostError(
            str(self._path),
            got=str(errors),
            want="a report",
            spec=_SPEC,
            remedy="a firmware error is the host's: update its firmware, or look into its log",
        )


class _Errors:
    """What an ioctl left behind: the kernel's, the firmware's (low half) and the VMM's."""

    def __init__(self, error: OSError, both: int) -> None:
        self._error = error
        self.firmware = both & 0xFFFFFFFF
        self.vmm = both >> 32

    def __str__(self) -> str:
        kernel = self._error.strerror or str(self._error)
        return f"{kernel}, firmware error {self.firmware:#x}, VMM error {self.vmm:#x}"


def _report(answer: bytes) -> bytes:
    status, size = ANSWER_HEAD.unpack_from(answer)
    if status or size != REPORT_SIZE:
        raise HostError(
            "SEV-SNP firmware",
            got=f"status {status:#x} with {size} bytes",
            want=f"a report of {REPORT_SIZE} bytes",
            spec=_SPEC,
        )
    return answer[ANSWER_HEAD.size : ANSWER_HEAD.size + REPORT_SIZE]
