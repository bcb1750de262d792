"""The debug image in a real machine, with its shell on the console; no TPM, no host behind it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from casemate.crypto.authority import CertificateAuthority
from casemate.podvm import build
from casemate.podvm.recipe import Recipe, Variant
from casemate.wire import forwarder, userdata
from casemate.wire.forwarder import ForwarderConfig

SCRATCH = 4 << 30


class DebugGuest:
    """What it prints, line by line, and what it is told to do."""

    def __init__(self, machine: subprocess.Popen[bytes]) -> None:
        self._machine = machine

    @property
    def lines(self) -> IO[bytes]:
        assert self._machine.stdout is not None
        return self._machine.stdout

    def run(self, script: bytes) -> None:
        """Give the shell a line."""
        assert self._machine.stdin is not None
        self._machine.stdin.write(script)
        self._machine.stdin.flush()

    def wait(self) -> int:
        return self._machine.wait(timeout=60)


@contextmanager
def debug_guest(folder: Path, *, scratch: int | str = 0) -> Iterator[DebugGuest]:
    """Boot it; killed at the end if it runs still.

    ``scratch`` is the scratch disk, if any: bytes of a file, or what QEMU shall open.
    """
    image = build.build(Recipe(variant=Variant.DEBUG))
    disks = {
        "root": f"readonly=on,file={image.root}",
        "userdata": f"readonly=on,file={_user_data(folder / 'userdata', scratch=bool(scratch))}",
    }
    if isinstance(scratch, str):
        disks["scratch"] = f"file={scratch}"
    elif scratch:
        with (folder / "scratch").open("wb") as file:
            file.truncate(scratch)
        disks["scratch"] = f"cache=unsafe,file={folder / 'scratch'}"
    words = [
        word
        for name, drive in disks.items()
        for word in (
            *("-drive", f"if=none,id={name},format=raw,{drive}"),
            *("-device", f"virtio-blk-pci,drive={name},serial={name}"),
        )
    ]
    machine = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
         "-machine", "q35,smm=off,vmport=off,graphics=off", "-accel", "tcg",
         "-cpu", "max,-erms,-la57", "-smp", "2", "-m", "1024", "-kernel", image.uki,
         "-serial", "stdio", "-netdev", "user,id=net0,restrict=on",
         "-device", "virtio-net-pci,netdev=net0,romfile=",
         "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={image.firmware_code}", *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield DebugGuest(machine)
    finally:
        machine.kill()
        machine.communicate()


def _user_data(place: Path, *, scratch: bool) -> Path:
    authority = CertificateAuthority.create("test")
    server = authority.issue_server("pod", ["pod"])
    config = ForwarderConfig(
        pod_namespace="default",
        pod_name="pod",
        server_key=server.key_pem,
        server_certificate=server.certificate_pem,
        client_ca=authority.certificate_pem,
    )
    files = {userdata.APF: forwarder.encode(config)}
    if scratch:
        files[userdata.SCRATCH_SPACE] = b""
    place.write_bytes(userdata.encode(files))
    return place
