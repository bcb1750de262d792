from pathlib import Path

import pytest

from casemate.errors import HostError, InputError
from casemate.peerpods.clouds.qemu import disks
from casemate.peerpods.image import VmImage
from casemate.wire import userdata


@pytest.fixture
def image(tmp_path: Path) -> VmImage:
    parts = {}
    for name in ("uki", "root", "firmware_code", "firmware_variables"):
        parts[name] = tmp_path / name
        parts[name].write_bytes(name.encode())
    return VmImage(**parts)


def test_a_vm_has_files_of_its_own(tmp_path: Path, image: VmImage) -> None:
    files = disks.make(tmp_path / "pod/vm", image, {userdata.APF: b"{}"}, scratch_mib=64)
    assert userdata.parse(files.user_data.read_bytes()) == {userdata.APF: b"{}"}
    assert files.firmware_variables.read_bytes() == b"firmware_variables"
    assert files.scratch.stat().st_size == 64 << 20
    assert files.scratch.stat().st_blocks == 0
    assert files.folder.stat().st_mode & 0o777 == 0o700
    disks.remove(files.folder)
    assert not files.folder.exists()


def test_missing_firmware_names_its_package(tmp_path: Path, image: VmImage) -> None:
    image.firmware_code.unlink()
    with pytest.raises(HostError, match="apt-get install ovmf"):
        disks.make(tmp_path / "vm", image, {}, scratch_mib=1)


def test_a_missing_image_says_how_to_build_one(tmp_path: Path, image: VmImage) -> None:
    image.uki.unlink()
    with pytest.raises(HostError, match="casemate podvm build"):
        disks.make(tmp_path / "vm", image, {}, scratch_mib=1)


def test_no_room_is_told_and_nothing_is_left(tmp_path: Path, image: VmImage) -> None:
    with pytest.raises(HostError, match="MiB free"):
        disks.make(tmp_path / "vm", image, {}, scratch_mib=1, room=1 << 60)
    assert not (tmp_path / "vm").exists()


def test_a_folder_that_cannot_be_made_is_the_hosts_mistake(tmp_path: Path, image: VmImage) -> None:
    (tmp_path / "vm").write_bytes(b"in the way")
    with pytest.raises(HostError):
        disks.make(tmp_path / "vm", image, {}, scratch_mib=1)


def test_files_the_guest_ignores_are_refused(tmp_path: Path, image: VmImage) -> None:
    with pytest.raises(InputError):
        disks.make(tmp_path / "vm", image, {"/etc/passwd": b""}, scratch_mib=1)
