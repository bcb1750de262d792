"""Three hops, none of them trusted: download, upload to an image store, deployment (row H05)."""

from pathlib import Path

import pytest

from casemate.errors import InputError, VerificationError
from casemate.podvm import image, publish
from tests.sim.podvm_image import small_image


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return small_image(tmp_path / "built")


def hops(built: Path, places: Path) -> list[Path]:
    """Carry an image over three hops, each comparing with the digest its builder wrote down."""
    wanted = publish.digest(built)
    taken = [built]
    for name in ("download", "store", "deployment"):
        publish.publish(taken[-1], places / name, expected=wanted)
        taken.append(places / name)
    return taken


def test_image_arrives_whole(built: Path, tmp_path: Path) -> None:
    last = hops(built, tmp_path / "places")[-1]
    assert publish.digest(last) == publish.digest(built)
    assert image.load(last).root.read_bytes() == b"root"


@pytest.mark.parametrize("hop", [1, 2, 3])
def test_tamper_at_any_hop_is_refused(built: Path, tmp_path: Path, hop: int) -> None:
    wanted = publish.digest(built)
    place = hops(built, tmp_path / "places")[hop]
    (place / image.ROOT).write_bytes(b"toor")
    with pytest.raises(VerificationError, match=r"root\.img"):
        publish.receive(place, wanted)
    with pytest.raises(VerificationError):
        publish.publish(place, tmp_path / "next", expected=wanted)
    assert not (tmp_path / "next").exists()


def test_tamper_with_a_manifest_that_agrees_is_refused(built: Path, tmp_path: Path) -> None:
    other = small_image(tmp_path / "other", root=b"toor")
    image.load(other)
    with pytest.raises(VerificationError) as caught:
        publish.publish(other, tmp_path / "next", expected=publish.digest(built))
    assert caught.value.refusal.expected == str(publish.digest(built))


def test_publishing_twice_is_the_same(built: Path, tmp_path: Path) -> None:
    publish.publish(built, tmp_path / "place")
    publish.publish(built, tmp_path / "place")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_another_image_in_the_place_is_left_alone(built: Path, tmp_path: Path) -> None:
    other = small_image(tmp_path / "other", root=b"toor")
    with pytest.raises(VerificationError):
        publish.publish(built, other)
    assert (other / image.ROOT).read_bytes() == b"toor"


def test_place_with_something_else_is_refused(built: Path, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with pytest.raises(InputError, match="something else"):
        publish.publish(built, tmp_path / "place")
