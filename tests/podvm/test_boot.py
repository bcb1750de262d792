"""The initrd in a real machine: what it says when the disk or the command line is not its own."""

from pathlib import Path

import pytest

from casemate.linux import program
from casemate.podvm import build, inputs, recipe, root
from casemate.podvm import disk as disks
from casemate.podvm.image import PodVmImage
from casemate.podvm.recipe import Recipe, Variant
from casemate.podvm.tree import File, Tree
from casemate.wire import console
from casemate.wire.console import ConsoleEvent, EventKind

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("vm")]

SUPERBLOCK = 1024 + 100
"""A byte of the disk that every boot reads."""


@pytest.fixture(scope="module")
def bare() -> PodVmImage:
    return build.build(Recipe(variant=Variant.BARE))


def boot(bare: PodVmImage, disk: Path, *more: str) -> list[ConsoleEvent]:
    """Give the events that the guest told."""
    events = (console.parse(line) for line in said(bare, disk, *more).splitlines())
    return [event for event in events if event is not None]


def said(bare: PodVmImage, disk: Path, *more: str) -> bytes:
    """Boot without a TPM (this is not about measurements); give what came over the serial line."""
    done = program.run(
        ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
         "-machine", "q35,smm=off,vmport=off,graphics=off", "-accel", "tcg", "-cpu", "max",
         "-m", "512", "-serial", "stdio", "-kernel", bare.uki,
         "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={bare.firmware_code}",
         "-drive", f"if=none,id=root,format=raw,readonly=on,file={disk}",
         "-device", "virtio-blk-pci,drive=root,serial=root", *more],
        timeout=120,
    )  # fmt: skip
    return done.stdout


def test_image_boots_to_its_root(bare: PodVmImage) -> None:
    assert [event.kind for event in boot(bare, bare.root)] == [EventKind.READY]


def test_flipped_bit_of_the_root_is_refused(bare: PodVmImage, tmp_path: Path) -> None:
    data = bytearray(bare.root.read_bytes())
    data[SUPERBLOCK] ^= 1
    (tmp_path / "disk").write_bytes(data)
    (event,) = boot(bare, tmp_path / "disk")
    assert event.kind is EventKind.REFUSED
    assert event.refusal is not None
    assert event.refusal.got == "dm-verity: root hash mismatch"
    assert event.refusal.expected == bare.root_hash.hex()


def test_verity_switched_off_from_outside_is_refused(bare: PodVmImage) -> None:
    (event,) = boot(bare, bare.root, "-append", "console=ttyS0 quiet root=/dev/vda")
    assert event.kind is EventKind.REFUSED
    assert event.refusal is not None
    assert "without a verity parameter" in event.refusal.got


def test_root_whose_modules_cannot_be_loaded_is_told_and_ends(
    bare: PodVmImage, tmp_path: Path
) -> None:
    tree = Tree(folders={"dev", "proc", "run", "sys"})
    for path in root.MODULE_LISTS:
        tree.add(path, File(b"/nowhere.ko\n"))
    made = disks.build(tree, tmp_path / "disk", work=tmp_path / "work", compression="")
    words = " ".join(("console=ttyS0 quiet", *made.kernel_arguments))
    events = boot(bare, tmp_path / "disk", "-append", words)
    assert {event.kind for event in events} == {EventKind.FAILED}
    assert "initrd: cannot load /nowhere.ko: error 2" in {event.note for event in events}


LOOKS_AROUND = """#!/usr/bin/busybox sh
b=/usr/bin/busybox
while $b grep -q ') [^Z]' /proc/$CASEMATE_READYING/stat; do $b usleep 50000; done
$b sed 's/^/MOUNT /' /proc/mounts
cd /proc/sys/kernel
for name in dmesg_restrict kexec_load_disabled kptr_restrict sysrq unprivileged_bpf_disabled \\
    unprivileged_userns_clone; do echo KERNEL $name $($b cat $name); done
$b poweroff -f
"""


def test_machine_is_mounted_and_hardened_beside_its_first_program(
    bare: PodVmImage, tmp_path: Path
) -> None:
    given = inputs.gather(Recipe(), build.default_cache(), progress=lambda _: None)
    packages = root.Packages(tmp_path / "packages")
    context = build.Context(given, lambda _: None, tmp_path, tmp_path / "image", packages)
    build.unpack_packages(context)
    tree = Tree(folders=set(recipe.DIRECTORIES))
    tree.add("sbin/init", File(LOOKS_AROUND.encode(), 0o755))
    tree.add("usr/bin/busybox", packages.file("usr/bin/busybox"))
    for path in root.MODULE_LISTS:
        tree.add(path, File(b""))
    made = disks.build(tree, tmp_path / "disk", work=tmp_path / "work", compression="")
    words = " ".join(("console=ttyS0 quiet", *made.kernel_arguments))
    lines = said(bare, tmp_path / "disk", "-append", words).decode().splitlines()
    mounts: dict[str, tuple[str, set[str]]] = {}
    for line in lines:
        if line.startswith("MOUNT "):
            _, _, place, kind, options, *_ = line.split()
            mounts[place] = (kind, {*options.split(",")})
    hard = {"nosuid", "nodev", "noexec"}
    for place, kind, wanted in (
        ("/", "erofs", {"ro"}),
        ("/proc", "proc", hard),
        ("/sys", "sysfs", hard),
        ("/sys/kernel/security", "securityfs", hard),
        ("/sys/fs/cgroup", "cgroup2", hard),
        ("/dev", "devtmpfs", {"nosuid"}),
        ("/dev/pts", "devpts", {"nosuid", "noexec", "mode=620", "ptmxmode=666"}),
        ("/dev/mqueue", "mqueue", hard),
        ("/dev/shm", "tmpfs", {"nosuid", "nodev"}),  # in the guest
        ("/run", "tmpfs", {"nosuid", "nodev", "mode=755"}),
        ("/tmp", "tmpfs", {"nosuid", "nodev"}),  # in the guest
    ):
        assert mounts[place][0] == kind
        assert wanted <= mounts[place][1], place
    settings = {name: value for _, name, value in map(str.split, filter(_is_setting, lines))}
    assert settings == {
        "dmesg_restrict": "1",
        "kexec_load_disabled": "1",
        "kptr_restrict": "2",
        "sysrq": "0",
        "unprivileged_bpf_disabled": "1",
        "unprivileged_userns_clone": "0",
    }


def _is_setting(line: str) -> bool:
    return line.startswith("KERNEL ")


@pytest.mark.parametrize("insists", ["module.sig_enforce=1", "lockdown=integrity"])
def test_kernel_that_insists_on_signed_modules_gets_them(bare: PodVmImage, insists: str) -> None:
    words = f"{bare.manifest.command_line} {insists}"
    assert [event.kind for event in boot(bare, bare.root, "-append", words)] == [EventKind.READY]
