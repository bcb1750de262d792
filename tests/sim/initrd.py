"""An initrd that only tells: the TPM's event log and registers, on the serial console."""

import shutil
from pathlib import Path

import pytest

REGISTERS = tuple(range(24))

_INIT = b"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t securityfs securityfs /sys/kernel/security
echo
echo BEGIN LOG
/bin/busybox base64 /sys/kernel/security/tpm0/binary_bios_measurements
echo END LOG
for i in $(/bin/busybox seq 0 23); do
  echo PCR $i $(/bin/busybox cat /sys/class/tpm/tpm0/pcr-sha256/$i)
done
/bin/busybox poweroff -f
"""


def measuring_initrd() -> bytes:
    """Make the initrd from this machine's static busybox, or skip with the reason."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox: apt-get install busybox-static")
    folders = (_entry(name, 0o40755) for name in ("bin", "proc", "sys", "dev"))
    return b"".join(
        (
            *folders,
            _entry("dev/console", 0o20600, device=(5, 1)),
            _entry("bin/busybox", 0o100755, Path(busybox).read_bytes()),
            _entry("init", 0o100755, _INIT),
            _entry("TRAILER!!!", 0),
        )
    )


def _entry(name: str, mode: int, data: bytes = b"", *, device: tuple[int, int] = (0, 0)) -> bytes:
    """Write one entry of a cpio archive, "newc"."""
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
