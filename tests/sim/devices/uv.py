"""``/dev/uv`` as Linux's driver behaves, over an Ultravisor in software."""

import errno
import struct
from collections.abc import Callable
from pathlib import Path

from casemate.linux import uv
from tests.sim.devices.memory import read, refused, write

Attest = Callable[[bytes, bytes], tuple[bytes, bytes, bytes]]
"""Request block, user data → measurement, additional data, configuration's id."""


class FakeUv:
    """One machine's device."""

    def __init__(self, attest: Attest) -> None:
        self._attest = attest
        self.failure: int | None = None
        self.code = uv.SUCCESS
        self.reason = 0

    def open(self, _path: Path) -> "FakeUv":
        return self

    def close(self) -> None:
        pass

    def ioctl(self, request: int, argument: bytearray) -> None:
        if self.failure is not None:
            raise refused(self.failure)
        if request != 0xC0407501 or len(argument) != 64:
            raise refused(errno.ENOTTY)
        flags, _, _, address, size = struct.unpack(">IHHQI44x", argument)
        if flags or size != 0x138:
            raise refused(errno.EINVAL)
        struct.pack_into(">HH", argument, 4, self.code, self.reason)
        if self.code != uv.SUCCESS:
            return
        block = struct.unpack(">QQQ256s16sIIIHH", read(address, size))
        arcb, measured, additional, user, _, arcb_size, measured_size, more, user_size, _ = block
        if user_size > 256 or arcb_size > 1 << 20 or max(measured_size, more) > 0x8000:
            raise refused(errno.EINVAL)
        one, two, cuid = self._attest(read(arcb, arcb_size), user[:user_size])
        write(measured, one[:measured_size])
        write(additional, two[:more])
        write(address + 0x118, cuid)
        write(address + 0x130, struct.pack(">I", len(two[:more])))
