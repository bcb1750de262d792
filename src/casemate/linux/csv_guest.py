"""``/dev/csv-guest``: reports and registers of Hygon's firmware (tee §10), little-endian."""

import errno
import struct
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux.device import CharacterDevice, Memory, Open, Opened, iowr

DEVICE: Final = Path("/dev/csv-guest")
PAGE: Final = 4096
REPORT_REQUEST: Final = struct.Struct("<QI4x")  # address, size
GET_REPORT: Final = iowr("D", 1, REPORT_REQUEST.size)
REGISTER_REQUEST: Final = struct.Struct("<QQHHI")  # address, size, sub-command, 0, error
ASK_REGISTERS: Final = iowr("D", 2, REGISTER_REQUEST.size)
REGISTER_SIZE: Final = 32
REGISTERS: Final = 5
STATUS: Final = struct.Struct("<HB")  # version, state
START: Final = struct.Struct("<H")  # version
EXTEND: Final = struct.Struct("<BxH32s")  # index, size, digest
VERSION: Final = 1
"""Of the registers' interface."""

_STATUS: Final = 1
_START: Final = 2
_EXTEND: Final = 4
_WORKING: Final = 2
_SPEC: Final = "tee §10"
_NO_REGISTERS: Final = frozenset({errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP, errno.ENODEV})


class CsvGuest:
    """The firmware's guest requests; each opens the device anew."""

    def __init__(self, path: Path = DEVICE, *, open_device: Open = CharacterDevice) -> None:
        self._path = path
        self._open = open_device

    def report(self, request: bytes) -> bytes:
        """Have a page, which begins with ``request``, overwritten by a report.

        Raises:
            HostError: the device is gone or refuses.
        """
        page = Memory(request.ljust(PAGE, b"\0"))
        argument = bytearray(REPORT_REQUEST.pack(page.address, PAGE))
        with Opened(self._open(self._path)) as device:
            try:
                device.ioctl(GET_REPORT, argument)
            except OSError as error:
                raise self._refused(error, "a report") from error
        return page.read()

    @property
    def has_registers(self) -> bool:
        """Whether firmware and kernel know run-time registers, and so reports of version 2.

        Raises:
            HostError: the device is gone.
        """
        try:
            self._ask(_STATUS, STATUS.pack(0, 0), "the registers' status")
        except _UnsupportedError:
            return False
        return True

    def extend(self, index: int, digest: bytes) -> None:
        """Extend register ``index`` (0 to 4) with 32 bytes; registers are started when they rest.

        Raises:
            HostError: there are none, or the firmware refuses.
        """
        _, state = STATUS.unpack(self._ask(_STATUS, STATUS.pack(0, 0), "the registers' status"))
        if state != _WORKING:
            self._ask(_START, START.pack(VERSION), "registers to start")
        self._ask(_EXTEND, EXTEND.pack(index, REGISTER_SIZE, digest), f"register {index}")

    def _ask(self, command: int, content: bytes, want: str) -> bytes:
        buffer = Memory(content)
        argument = bytearray(REGISTER_REQUEST.pack(buffer.address, buffer.size, command, 0, 0))
        with Opened(self._open(self._path)) as device:
            try:
                device.ioctl(ASK_REGISTERS, argument)
            except OSError as error:
                if error.errno in _NO_REGISTERS:
                    raise _UnsupportedError(
                        str(self._path),
                        got=error.strerror,
                        want=want,
                        spec=_SPEC,
                        remedy="run-time registers need newer firmware and kernel",
                    ) from error
                raise self._refused(error, want) from error
        failure = REGISTER_REQUEST.unpack(argument)[4]
        if failure:
            raise HostError(
                str(self._path), got=f"firmware error {failure:#x}", want=want, spec=_SPEC
            )
        return buffer.read()

    def _refused(self, error: OSError, want: str) -> HostError:
        return HostError(str(self._path), got=error.strerror or error, want=want, spec=_SPEC)


class _UnsupportedError(HostError):
    """This kernel or firmware has no run-time registers."""
