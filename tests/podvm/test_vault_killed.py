"""A guest whose vault dies in a real machine: it says so and powers off. Over the debug shell."""

import subprocess
from pathlib import Path

import pytest

from casemate.crypto.authority import CertificateAuthority
from casemate.podvm import build
from casemate.podvm.recipe import Recipe, Variant
from casemate.wire import console, forwarder, userdata
from casemate.wire.console import ConsoleEvent, EventKind
from casemate.wire.forwarder import ForwarderConfig

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("vm")]

KILL = b"read all </proc/1/task/1/children; for p in $all; do [ $p = $$ ] || kill -9 $p; done\n"
"""Once the guest is ready, process 1 has two children that run: this shell, and the vault."""


def user_data(place: Path) -> Path:
    authority = CertificateAuthority.create("test")
    server = authority.issue_server("pod", ["pod"])
    config = ForwarderConfig(
        pod_namespace="default",
        pod_name="pod",
        server_key=server.key_pem,
        server_certificate=server.certificate_pem,
        client_ca=authority.certificate_pem,
    )
    place.write_bytes(userdata.encode({userdata.APF: forwarder.encode(config)}))
    return place


def test_guest_whose_vault_is_killed_says_so_and_powers_off(tmp_path: Path) -> None:
    image = build.build(Recipe(variant=Variant.DEBUG))
    guest = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
         "-machine", "q35,smm=off,vmport=off,graphics=off", "-accel", "tcg",
         "-cpu", "max,-erms,-la57", "-smp", "2", "-m", "1024", "-kernel", image.uki,
         "-serial", "stdio", "-netdev", "user,id=net0,restrict=on",
         "-device", "virtio-net-pci,netdev=net0,romfile=",
         "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={image.firmware_code}",
         "-drive", f"if=none,id=root,format=raw,readonly=on,file={image.root}",
         "-device", "virtio-blk-pci,drive=root,serial=root",
         "-drive", f"if=none,id=data,format=raw,readonly=on,file={user_data(tmp_path / 'data')}",
         "-device", "virtio-blk-pci,drive=data,serial=userdata"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert guest.stdin is not None
    assert guest.stdout is not None
    events: list[ConsoleEvent] = []
    try:
        for line in guest.stdout:
            event = console.parse(line)
            if event is None:
                continue
            events.append(event)
            if event.kind is EventKind.READY:
                guest.stdin.write(KILL)
                guest.stdin.flush()
        assert guest.wait(timeout=60) == 0
    finally:
        guest.kill()
        guest.communicate()
    told = [event.note for event in events if event.kind is EventKind.FAILED]
    assert told == ["vault: got ended with status 137, want running while the pod does"]
