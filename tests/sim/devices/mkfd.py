"""``/dev/mkfd`` as Hygon's driver behaves, over accelerators that the DCU simulator stands for."""

import errno
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from casemate.linux import mkfd
from tests.sim.devices.memory import read, refused, write


class FakeMkfd:
    """The device: number of each accelerator → user data → report, 396 bytes."""

    def __init__(self, reports: Mapping[int, Callable[[bytes], bytes]]) -> None:
        self._reports = reports
        self.failure: int | None = None
        self.firmware_error = 0
        self.size = mkfd.REPORT_SIZE

    def open(self, _path: Path) -> "FakeMkfd":
        return self

    def close(self) -> None:
        pass

    def ioctl(self, request: int, argument: bytearray) -> None:
        if request != mkfd.GET_REPORT:
            raise refused(errno.ENOTTY)
        struct.pack_into("<Q", argument, 48, self.firmware_error)
        if self.failure is not None:
            raise refused(self.failure)
        device, command, version, asked, size, answer, room, _ = struct.unpack(
            "<III4xQQQQQ", argument
        )
        if command or version != 1 or size < 64 or room < 32 + 396:
            raise refused(errno.EINVAL)
        if device not in self._reports:
            raise refused(errno.ENODEV)
        report = self._reports[device](read(asked, 64))
        write(answer, struct.pack("<I28x", self.size) + report)
