from pathlib import Path

import pytest

from casemate.errors import HostError, InputError
from casemate.guest.storage.volumes import SecureMounts, format_arguments, parse
from casemate.secret import Secret


async def no_key(place: str) -> Secret:
    raise AssertionError(place)


@pytest.mark.parametrize(
    "options",
    [
        {"devicePath": "/dev/vdx", "sourceType": "old"},
        {"devicePath": "/dev/vdx", "encryptionType": "zfs"},
        {"devicePath": "/dev/vdx", "filesystemType": "xfs"},
        {"devicePath": "/dev/vdx", "surprise": "1"},
        {"devicePath": "/dev/vdx", "mapperName": "../x"},
        {"devicePath": "/dev/vdx", "dataIntegrity": "yes"},
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InputError):
        parse(options)


@pytest.mark.parametrize("device", ["", "/etc/shadow", "/dev/../etc/shadow", "vdx"])
async def test_only_devices_are_opened(device: str, tmp_path: Path) -> None:
    mounts = SecureMounts(no_key, headers=tmp_path)
    with pytest.raises(InputError):
        await mounts.mount("block-device", {"devicePath": device}, (), tmp_path / "m")


async def test_other_kinds_of_volume_and_unknown_flags_are_refused(tmp_path: Path) -> None:
    mounts = SecureMounts(no_key, headers=tmp_path)
    with pytest.raises(InputError):
        await mounts.mount("alibaba-cloud-oss", {}, (), tmp_path)
    with pytest.raises(InputError):
        await mounts.mount("block-device", {"devicePath": "/dev/vdx"}, ("magic",), tmp_path)


async def test_volume_that_cannot_be_made_leaves_no_header(tmp_path: Path) -> None:
    mounts = SecureMounts(no_key, headers=tmp_path / "h")
    with pytest.raises(HostError):
        await mounts.mount("block-device", {"devicePath": "/dev/none"}, (), tmp_path / "m")
    assert list((tmp_path / "h").iterdir()) == []


async def test_encrypted_volume_needs_its_owners_key(tmp_path: Path) -> None:
    options = {"devicePath": "/dev/vdx", "sourceType": "encrypted"}
    with pytest.raises(InputError):
        await SecureMounts(no_key, headers=tmp_path).mount("block-device", options, (), tmp_path)


def test_no_key_is_ever_an_argument() -> None:
    wanted = parse({"devicePath": "/dev/vdx", "dataIntegrity": "true", "key": "kbs:///a/b/c"})
    arguments = format_arguments(wanted, Path("/dev/vdx"), ["--header", "/h"])
    assert "kbs:///a/b/c" not in arguments
    assert {"hmac-sha256", "--integrity-no-wipe", "aes-xts-plain64"} <= set(arguments)
