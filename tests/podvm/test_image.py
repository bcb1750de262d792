from pathlib import Path

import msgspec
import pytest

from casemate.errors import InputError, VerificationError
from casemate.podvm import image
from tests.sim.podvm_image import small_image


def test_image_tells_what_it_is(tmp_path: Path) -> None:
    made = image.load(small_image(tmp_path / "image"))
    assert made.root_hash == bytes.fromhex("0a" * 32)
    assert made.measurements == {4: "04" * 32, 11: "11" * 32}
    assert made.size == sum(facts.size for facts in made.manifest.files.values())


@pytest.mark.parametrize("name", image.FILES)
def test_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = small_image(tmp_path / "image")
    data = bytearray((folder / name).read_bytes())
    data[0] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(VerificationError) as caught:
        image.load(folder)
    assert name in caught.value.refusal.claim


@pytest.mark.parametrize("name", image.FILES)
def test_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = small_image(tmp_path / "image")
    (folder / name).unlink()
    with pytest.raises(VerificationError, match="no such file"):
        image.load(folder)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"variant": 1}'])
def test_malformed_manifest_is_the_callers_mistake(tmp_path: Path, text: str) -> None:
    folder = small_image(tmp_path / "image")
    (folder / image.MANIFEST).write_text(text)
    with pytest.raises(InputError, match="pod VM image"):
        image.load(folder)


@pytest.mark.parametrize("text", ["", "[1]", '{"four": "04"}', '{"4": 4}'])
def test_measurements_that_are_none_are_the_callers_mistake(tmp_path: Path, text: str) -> None:
    """The manifest beside them is as easily written as they are."""
    folder = small_image(tmp_path / "image")
    (folder / image.MEASUREMENTS).write_text(text)
    manifest = image.read_manifest(folder)
    files = {**manifest.files, image.MEASUREMENTS: image.describe(folder / image.MEASUREMENTS)}
    changed = msgspec.structs.replace(manifest, files=files)
    (folder / image.MANIFEST).write_bytes(msgspec.json.encode(changed))
    with pytest.raises(InputError, match="pod VM image"):
        image.load(folder)


def test_folder_that_was_never_finished_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="casemate podvm build"):
        image.load(tmp_path)
