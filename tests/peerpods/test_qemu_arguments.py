from pathlib import Path

from casemate.peerpods.clouds.qemu import arguments
from casemate.peerpods.clouds.qemu.acceleration import Accelerator
from casemate.peerpods.clouds.qemu.arguments import Disk, Machine

MACHINE = Machine(
    name="podvm-app-01234567",
    accelerator=Accelerator.TCG,
    vcpus=2,
    memory=1024,
    firmware_code=Path("/fw/CODE.fd"),
    firmware_variables=Path("/vm/vars.fd"),
    uki=Path("/image/uki.efi"),
    disks=(
        Disk(serial="root", file=Path("/image/root.img"), read_only=True),
        Disk(serial="scratch", file=Path("/vm/scr,atch.img"), read_only=False),
    ),
    tpm=7,
    port=40001,
)


def test_the_kernel_command_line_is_the_images_alone() -> None:
    words = arguments.qemu(MACHINE)
    assert "-append" not in words
    assert "-initrd" not in words
    assert words[words.index("-kernel") + 1] == "/image/uki.efi"


def test_nothing_is_added_by_default_and_the_card_has_no_option_rom() -> None:
    words = arguments.qemu(MACHINE)
    assert "-nodefaults" in words
    assert "-no-user-config" in words
    assert "virtio-net-pci,netdev=net0,romfile=" in words


def test_qemu_confines_itself_before_the_guest_runs() -> None:
    words = arguments.qemu(MACHINE)
    rules = words[words.index("-sandbox") + 1].split(",")
    assert rules[0] == "on"
    assert {"elevateprivileges=deny", "spawn=deny"} <= set(rules)


def test_the_forwarder_is_reachable_from_this_machine_only() -> None:
    words = arguments.qemu(MACHINE)
    assert "user,id=net0,hostfwd=tcp:127.0.0.1:40001-:15150" in words


def test_firmware_and_root_are_read_only_and_variables_are_not() -> None:
    drives = [w for w in arguments.qemu(MACHINE) if "format=raw" in w]
    modes = {w.split("file=")[1]: "readonly=on" in w for w in drives}
    assert modes == {
        "/fw/CODE.fd": True,
        "/vm/vars.fd": False,
        "/image/root.img": True,
        "/vm/scr,,atch.img": False,
    }


def test_kvm_gives_the_guest_the_hosts_cpu() -> None:
    import msgspec

    words = arguments.qemu(msgspec.structs.replace(MACHINE, accelerator=Accelerator.KVM))
    assert words[words.index("-accel") + 1] == "kvm"
    assert words[words.index("-cpu") + 1] == "host"


def test_the_tpm_ends_with_its_channel() -> None:
    words = arguments.swtpm(Path("/vm/tpm"), 9)
    assert "--terminate" in words
    assert "type=unixio,clientfd=9" in words
