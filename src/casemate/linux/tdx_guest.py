"""A TD's own registers: sysfs since kernel 6.16, else ``/dev/tdx_guest`` (tee §1.4, §4.7)."""

import errno
import struct
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux.device import CharacterDevice, Open, Opened, ior, iowr

DEVICE: Final = Path("/dev/tdx_guest")
MEASUREMENTS: Final = Path("/sys/devices/virtual/misc/tdx_guest/measurements")
REPORT_DATA_SIZE: Final = 64
TD_REPORT_SIZE: Final = 1024
REGISTER_SIZE: Final = 48
REGISTERS: Final = 4
GET_REPORT: Final = iowr("T", 1, REPORT_DATA_SIZE + TD_REPORT_SIZE)
EXTEND: Final = struct.Struct("<48sB")
EXTEND_REGISTER: Final = ior("T", 3, EXTEND.size)
"""Only drivers of Intel's own kernels have it; the others answer ENOTTY."""
NO_REGISTER: Final = 0xFF
CONFIG_ID_AT: Final = 576
"""Offset of MRCONFIGID in a TDREPORT: TDINFO begins at 512; attributes, XFAM, MRTD come first."""


class TdxGuest:
    """Registers of this TD."""

    def __init__(
        self,
        device: Path = DEVICE,
        measurements: Path = MEASUREMENTS,
        *,
        open_device: Open = CharacterDevice,
    ) -> None:
        self._path = device
        self._folder = measurements
        self._open = open_device

    @property
    def can_extend(self) -> bool:
        """Whether this kernel extends registers: sysfs, or a driver that knows the ioctl.

        Such a driver refuses a register that does not exist; the others do not know the request.
        """
        if self._folder.is_dir():
            return True
        try:
            with Opened(self._open(self._path)) as device:
                device.ioctl(EXTEND_REGISTER, bytearray(EXTEND.pack(b"", NO_REGISTER)))
        except OSError as error:
            return error.errno != errno.ENOTTY
        except HostError:  # no device, no registers
            return False
        return False

    def config_id(self) -> bytes:
        """Read MRCONFIGID, 48 bytes.

        Raises:
            HostError: neither way is there.
        """
        if self._folder.is_dir():
            return self._read("mrconfigid")
        return self.report(bytes(REPORT_DATA_SIZE))[CONFIG_ID_AT : CONFIG_ID_AT + REGISTER_SIZE]

    def report(self, report_data: bytes) -> bytes:
        """Make a TDREPORT (1024 bytes) bound to 64 bytes.

        Raises:
            HostError: the device is gone or refuses.
        """
        argument = bytearray(report_data) + bytearray(TD_REPORT_SIZE)
        self._ask(GET_REPORT, argument, "a TDREPORT")
        return bytes(argument[REPORT_DATA_SIZE:])

    def extend(self, index: int, digest: bytes) -> None:
        """Extend RTMR ``index`` (0 to 3) with 48 bytes.

        Raises:
            HostError: this kernel cannot, or refuses.
        """
        if not self._folder.is_dir():
            self._ask(EXTEND_REGISTER, bytearray(EXTEND.pack(digest, index)), f"RTMR{index}")
            return
        file = self._folder / f"rtmr{index}:sha384"
        try:
            with file.open("r+b", buffering=0) as register:
                written = register.write(digest)
        except OSError as error:
            raise HostError(
                str(file), got=error.strerror, want="a register to extend", spec="tee §1.4"
            ) from error
        if written != REGISTER_SIZE:
            raise HostError(str(file), got=f"{written} bytes taken", want=f"{REGISTER_SIZE}")

    def _read(self, name: str) -> bytes:
        file = self._folder / name
        try:
            value = file.read_bytes()
        except OSError as error:
            raise HostError(str(file), got=error.strerror, want="a register") from error
        if len(value) != REGISTER_SIZE:
            raise HostError(str(file), got=f"{len(value)} bytes", want=f"{REGISTER_SIZE} bytes")
        return value

    def _ask(self, number: int, argument: bytearray, what: str) -> None:
        with Opened(self._open(self._path)) as device:
            try:
                device.ioctl(number, argument)
            except OSError as error:
                raise HostError(
                    str(self._path),
                    got=error.strerror or error,
                    want=what,
                    spec="tee §4.7",
                    remedy="registers need a kernel of 6.16 or later"
                    if number != GET_REPORT
                    else "",
                ) from error
