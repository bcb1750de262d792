"""``/dev/csv-guest`` as Hygon's driver behaves, over firmware that the CSV simulator stands for."""

import errno
import struct
from collections.abc import Callable
from pathlib import Path

from casemate.crypto.sm3 import sm3
from casemate.linux import csv_guest
from tests.sim.devices.memory import read, refused, write

Report = Callable[[int, bytes, bytes], bytes]
"""Version, user data (64 bytes), nonce (16 bytes) → the firmware's answer."""


class FakeCsvGuest:
    """One machine's device. ``registers``: firmware and driver know them."""

    def __init__(self, report: Report, *, registers: bool = True) -> None:
        self._report = report
        self._has_registers = registers
        self.registers = [bytes(32)] * 5
        self.state = 1
        """1 initialised, 2 working."""
        self.failure: int | None = None
        self.firmware_error = 0
        self.commands: list[int] = []

    def open(self, _path: Path) -> "FakeCsvGuest":
        return self

    def close(self) -> None:
        pass

    def ioctl(self, request: int, argument: bytearray) -> None:
        if self.failure is not None:
            raise refused(self.failure)
        if request == csv_guest.GET_REPORT:
            address, size = struct.unpack("<QI4x", argument)
            self._answer(address, size)
        elif request == csv_guest.ASK_REGISTERS and self._has_registers:
            address, size, command, _, _ = struct.unpack("<QQHHI", argument)
            self.commands.append(command)
            struct.pack_into("<I", argument, 20, self.firmware_error)
            if not self.firmware_error:
                self._register(command, address, size)
        else:
            raise refused(errno.ENOTTY)

    def _answer(self, address: int, size: int) -> None:
        page = read(address, size)
        data, nonce, digest = page[:64], page[64:80], page[80:112]
        if sm3(data + nonce) != digest:
            raise refused(errno.EINVAL)
        extended = page[112:128] == b"ATTESTATION_EXT\0" and page[128:132] == b"\1\0\0\0"
        answer = self._report(2 if extended else 1, data, nonce)
        if len(answer) > size:
            raise refused(errno.ENOSPC)
        write(address, answer.ljust(size, b"\0"))

    def _register(self, command: int, address: int, size: int) -> None:
        match command:
            case 1 if size == 3:
                write(address, struct.pack("<HB", 1, self.state))
            case 2 if size == 2 and read(address, 2) == b"\1\0":
                self.state = 2
            case 4 if size == 36 and self.state == 2:
                index, length, digest = struct.unpack("<BxH32s", read(address, size))
                if index > 4 or length != 32:
                    raise refused(errno.EINVAL)
                self.registers[index] = sm3(self.registers[index] + digest)
            case _:
                raise refused(errno.EINVAL)
