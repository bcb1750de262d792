"""``/dev/tdx_guest`` as Linux's driver behaves, and as Intel's own, over a TD in software."""

import errno
import hashlib
from pathlib import Path

from casemate.linux import tdx_guest
from tests.sim.devices.memory import refused


class FakeTdxGuest:
    """A TD's device. ``extends``: the driver knows the ioctl that extends registers."""

    def __init__(self, *, config_id: bytes = bytes(48), extends: bool = False) -> None:
        self.config_id = config_id
        self.extends = extends
        self.registers = [bytes(48)] * 4
        self.failure: int | None = None

    def open(self, _path: Path) -> "FakeTdxGuest":
        return self

    def close(self) -> None:
        pass

    def ioctl(self, request: int, argument: bytearray) -> None:
        if self.failure is not None:
            raise refused(self.failure)
        if request == tdx_guest.GET_REPORT:
            argument[64:] = self._report(bytes(argument[:64]))
        elif request == tdx_guest.EXTEND_REGISTER and self.extends:
            digest, index = tdx_guest.EXTEND.unpack(argument)
            if index not in (2, 3):
                raise refused(errno.EINVAL)
            old = self.registers[index]
            self.registers[index] = hashlib.sha384(old + digest).digest()
        else:
            raise refused(errno.ENOTTY)

    def _report(self, report_data: bytes) -> bytes:
        mac = bytes((0x81,)).ljust(128, b"\0") + report_data + bytes(64)
        info = bytes(64) + self.config_id + bytes(96) + b"".join(self.registers) + bytes(112)
        return mac + bytes(256) + info
