"""``/dev/sev-guest`` as Linux's driver behaves, over a firmware in software."""

import errno
import struct
from collections.abc import Callable
from pathlib import Path

from casemate.linux import sev_guest
from tests.sim.devices.memory import read, refused, write

PAGE = 4096


class FakeSevGuest:
    """One machine's device; each ``open`` gives another descriptor of it.

    Args:
        report: user data → report, 1184 bytes.
        table: the host's certificate table.
    """

    def __init__(self, report: Callable[[bytes], bytes], table: bytes = b"") -> None:
        self._report = report
        self.table = table.ljust(-(-len(table) // PAGE) * PAGE, b"\0")
        self.failures: list[tuple[int, int]] = []
        """What next requests fail with: error number, firmware and VMM errors."""
        self.status = 0
        self.size = sev_guest.REPORT_SIZE
        self.requests: list[int] = []
        self.opened = self.closed = 0
        self.greedy = False
        """The host wants another page each time it is asked."""

    def open(self, _path: Path) -> "FakeSevGuest":
        self.opened += 1
        return self

    def close(self) -> None:
        self.closed += 1

    def ioctl(self, request: int, argument: bytearray) -> None:
        self.requests.append(request)
        version, asked, answer, _ = struct.unpack("<B7xQQQ", argument)
        if version != 1:
            raise refused(errno.EINVAL)
        if self.failures:
            number, errors = self.failures.pop(0)
            struct.pack_into("<Q", argument, 24, errors)
            raise refused(number)
        if request == sev_guest.GET_REPORT:
            user_data, vmpl = struct.unpack("<64sI28x", read(asked, 96))
        elif request == sev_guest.GET_EXTENDED_REPORT:
            raw = read(asked, 112)
            user_data, vmpl, address, room = struct.unpack("<64sI28xQI4x", raw)
            if self.greedy:
                self.table += bytes(PAGE)
            if room % PAGE:
                raise refused(errno.EINVAL)
            if room < len(self.table):
                write(asked + 104, struct.pack("<I", len(self.table)))
                struct.pack_into("<Q", argument, 24, 1 << 32)
                raise refused(errno.EIO)
            write(address, self.table) if room else None
        else:
            raise refused(errno.ENOTTY)
        if vmpl > 3:
            raise refused(errno.EINVAL)
        head = struct.pack("<II24x", self.status, self.size)
        write(answer, head + self._report(user_data))
