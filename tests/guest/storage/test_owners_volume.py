from collections.abc import Mapping
from pathlib import Path

import pytest

from casemate.errors import CasemateError, HostError, InputError, Refusal, VerificationError
from casemate.guest.storage import volumes
from casemate.guest.storage.volumes import SecureMounts
from casemate.linux import program
from casemate.secret import Secret

KEY = "kbs:///default/volume/key"
VOLUME = {"devicePath": "/dev/absent-volume", "sourceType": "encrypted", "key": KEY}
REFUSED = VerificationError(
    Refusal(step="release", claim="pcr11", got="a", expected="b", rule="policy", remedy="")
)


async def mount(options: Mapping[str, str], folder: Path, key: Secret | CasemateError) -> list[str]:
    """Mount a volume at ``folder``; gives the keys that were asked for."""
    asked = []

    async def fetch(uri: str) -> Secret:
        asked.append(uri)
        if isinstance(key, CasemateError):
            raise key
        return key

    await SecureMounts(fetch, headers=folder / "headers").mount(
        "block-device", options, (), folder / "volume"
    )
    return asked


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


async def test_volume_whose_key_is_refused_stays_closed(tmp_path: Path) -> None:
    with pytest.raises(VerificationError) as caught:
        await mount(VOLUME, tmp_path, REFUSED)
    assert caught.value is REFUSED
    assert names(tmp_path) == []


async def test_released_key_is_wiped_when_the_volume_does_not_open(tmp_path: Path) -> None:
    program.find("cryptsetup")
    key = Secret(b"k" * 32)
    with pytest.raises(HostError):
        await mount(VOLUME, tmp_path, key)
    assert key.reveal() == b""


async def test_owners_volume_without_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no key"):
        await mount({**VOLUME, "key": ""}, tmp_path, REFUSED)


def test_owners_volume_opens_with_the_released_key_and_no_other(tmp_path: Path) -> None:
    volume = tmp_path / "volume.img"
    volume.write_bytes(b"")
    with volume.open("r+b") as file:
        file.truncate(32 << 20)
    plan = volumes.format_arguments(volumes.parse(VOLUME), volume, ())
    cryptsetup(plan, b"released", status=0)
    opening = ["open", "--test-passphrase", "--type", "luks2", str(volume)]
    cryptsetup(opening, b"released", status=0)
    cryptsetup(opening, b"guessed", status=2)


def cryptsetup(arguments: list[str], key: bytes, *, status: int) -> None:
    argv = ["cryptsetup", "--key-file", "-", *arguments]
    assert program.run(argv, input=key, timeout=60, check=False).status == status


@pytest.mark.parametrize(
    "change",
    [
        {"sourceType": "plain"},
        {"encryptionType": "luks1"},
        {"mapperName": "../up"},
        {"devicePath": "/etc/passwd"},
        {"devicePath": "/dev/../etc/passwd"},
        {"nonsense": "1"},
    ],
)
async def test_options_that_cannot_be_meant_ask_for_no_key(
    tmp_path: Path, change: dict[str, str]
) -> None:
    with pytest.raises(InputError):
        await mount({**VOLUME, **change}, tmp_path, REFUSED)
