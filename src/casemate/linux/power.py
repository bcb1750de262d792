"""The end of a machine."""

import os
from typing import Final, NoReturn

from casemate.errors import HostError
from casemate.linux import libc

_POWER_OFF: Final = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF
_RESTART: Final = 0x01234567  # LINUX_REBOOT_CMD_RESTART


def off() -> NoReturn:
    """Write out what is cached and power the machine off.

    Raises:
        HostError: we are not the init of a machine of our own.
    """
    if os.getpid() != 1:
        raise HostError("power off", got=f"process {os.getpid()}", want="process 1 of a pod VM")
    os.sync()
    try:
        libc.reboot(_POWER_OFF)
    except OSError:
        libc.reboot(_RESTART)  # a machine without ACPI: QEMU's -no-reboot ends on it
    raise HostError("power off", got="still running", want="the end")
