"""The root file system of a running machine, in the hands of somebody who is root in it.

Only the debug image has a shell; it differs from the production image in nothing else.
"""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.linux.program import find
from casemate.peerpods.channel import ChannelKeys
from casemate.podvm import build
from casemate.podvm.image import PodVmImage
from casemate.podvm.recipe import Recipe, Variant
from casemate.wire import forwarder, userdata

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("vm")]

READY = b'"kind":"ready"'
ATTEMPTS = (
    "echo x > /usr/bin/intruder",
    "/usr/bin/busybox rm -f /usr/bin/crun",
    "/usr/bin/busybox mount -o remount,rw /",
    "/usr/bin/busybox dd if=/dev/zero of=/dev/dm-0 bs=4096 count=1",
    "/usr/bin/busybox dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync",
)
SECONDS = 120.0


@pytest.fixture(scope="module")
def debug() -> PodVmImage:
    return build.build(Recipe(variant=Variant.DEBUG))


@pytest.fixture
def console(debug: PodVmImage, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The serial console of the booted image."""
    argv: list[str | Path] = [
        find("qemu-system-x86_64"), "-nodefaults", "-no-user-config", "-display", "none",
        "-no-reboot", "-machine", "q35,smm=off,vmport=off,graphics=off", "-accel", "tcg",
        "-cpu", "max", "-m", "512", "-serial", "stdio", "-kernel", debug.uki,
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={debug.firmware_code}",
        "-drive", f"if=none,id=root,format=raw,readonly=on,file={debug.root}",
        "-device", "virtio-blk-pci,drive=root,serial=root",
        "-drive", f"if=none,id=data,format=raw,readonly=on,file={user_data(tmp_path)}",
        "-device", "virtio-blk-pci,drive=data,serial=userdata",
        "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,romfile=",
    ]  # fmt: skip
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as machine:
        limit = threading.Timer(SECONDS, machine.kill)
        limit.start()
        yield machine
        limit.cancel()
        machine.kill()


def user_data(folder: Path) -> Path:
    """All that the guest needs to stay; it has no TPM, since nobody asks it for evidence."""
    config = ChannelKeys.create().forwarder_config(instance="vm", pod="p", namespace="default")
    disk = folder / "userdata.img"
    disk.write_bytes(userdata.encode({userdata.APF: forwarder.encode(config)}))
    return disk


def test_root_of_the_guest_cannot_write_its_root_file_system(
    console: subprocess.Popen[bytes], debug: PodVmImage
) -> None:
    before = debug.root.read_bytes()
    until(console, READY)
    for number, attempt in enumerate(ATTEMPTS, start=10):
        outcome = f"{attempt} && echo wrote-$((1+{number})) || echo kept-$((1+{number}))"
        said = answer(console, outcome, f"-{number + 1}\r\n".encode())
        assert f"kept-{number + 1}\r".encode() in said, said
    assert debug.root.read_bytes() == before


def answer(machine: subprocess.Popen[bytes], command: str, end: bytes) -> bytes:
    assert machine.stdin is not None
    machine.stdin.write(command.encode() + b"\n")
    machine.stdin.flush()
    return until(machine, end)


def until(machine: subprocess.Popen[bytes], text: bytes) -> bytes:
    assert machine.stdout is not None
    said = b""
    while text not in said:
        piece = machine.stdout.read1(4096)  # type: ignore[attr-defined]  # a buffered reader
        assert piece, said
        said += piece
    return said
