"""Headers that a host wrote are not opened with the owner's key."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from casemate.errors import HostError, VerificationError
from casemate.guest.storage import luks_header, volumes
from casemate.linux import program


def cryptsetup(*arguments: str, key: bytes = b"") -> bytes:
    fed = ("--key-file", "-") if key else ()
    return program.run(["cryptsetup", *fed, *arguments], input=key, timeout=60).stdout


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume as its owner made it."""
    file = tmp_path_factory.mktemp("luks") / "volume.img"
    with file.open("wb") as made:
        made.truncate(32 << 20)
    wanted = volumes.parse({"devicePath": "/dev/vdx"})
    cryptsetup(*volumes.format_arguments(wanted, file, ()), key=b"released")
    return file


@pytest.fixture
def metadata(volume: Path) -> Any:
    return msgspec.json.decode(cryptsetup("luksDump", "--dump-json-metadata", str(volume)))


def judge(metadata: Any, *, integrity: bool = False) -> None:
    luks_header.require_sound(msgspec.json.encode(metadata), integrity=integrity)


def test_header_of_ours_is_sound_and_its_copy_opens_the_volume(volume: Path) -> None:
    copied = volume.with_name("copy")
    luks_header.copy(volume, copied)
    dumped = cryptsetup("luksDump", "--dump-json-metadata", str(copied))
    luks_header.require_sound(dumped, integrity=False)
    opening = ("open", "--test-passphrase", "--type", "luks2", "--header", str(copied))
    cryptsetup(*opening, str(volume), key=b"released")
    with pytest.raises(HostError):
        luks_header.copy(volume, copied)


@pytest.mark.parametrize("cipher", ["cipher_null-ecb", "aes-ecb", "aes-cbc-plain", "null"])
def test_keyslot_that_any_passphrase_opens_is_refused(metadata: Any, cipher: str) -> None:
    metadata["keyslots"]["0"]["area"]["encryption"] = cipher
    with pytest.raises(VerificationError, match="keyslot 0"):
        judge(metadata)


def test_second_keyslot_is_judged_too(metadata: Any) -> None:
    area = {"type": "raw", "encryption": "cipher_null-ecb", "key_size": 32}
    metadata["keyslots"]["1"] = {"type": "luks2", "area": area}
    with pytest.raises(VerificationError, match="keyslot 1"):
        judge(metadata)


@pytest.mark.parametrize("cipher", ["cipher_null-ecb", "aes-ecb", "capi:ecb(cipher_null)-plain"])
def test_segment_in_clear_is_refused(metadata: Any, cipher: str) -> None:
    metadata["segments"]["0"]["encryption"] = cipher
    with pytest.raises(VerificationError, match="segment"):
        judge(metadata)


def test_segment_beside_the_encrypted_one_is_refused(metadata: Any) -> None:
    metadata["segments"]["1"] = metadata["segments"]["0"]
    with pytest.raises(VerificationError, match="segments"):
        judge(metadata)
    metadata["segments"] = {"0": {"type": "linear", "encryption": "aes-xts-plain64"}}
    with pytest.raises(VerificationError, match="linear"):
        judge(metadata)


def test_volume_in_the_middle_of_a_reencryption_is_refused(metadata: Any) -> None:
    metadata["config"]["requirements"] = {"mandatory": ["online-reencrypt-v2"]}
    with pytest.raises(VerificationError, match="requirements"):
        judge(metadata)


@pytest.mark.parametrize("kind", [None, "none", "crc32c", "hmac(sha256)"])
def test_integrity_that_the_owner_wants_cannot_be_taken_away(
    metadata: Any, kind: str | None
) -> None:
    if kind is not None:
        metadata["segments"]["0"]["integrity"] = {"type": kind}
    if kind == "hmac(sha256)":
        judge(metadata, integrity=True)
        return
    with pytest.raises(VerificationError, match="integrity"):
        judge(metadata, integrity=True)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b"{" * 9999])
def test_metadata_that_makes_no_sense_is_refused(text: bytes) -> None:
    with pytest.raises(VerificationError):
        luks_header.require_sound(text, integrity=False)
