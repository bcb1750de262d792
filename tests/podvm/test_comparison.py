from pathlib import Path

from casemate.podvm import comparison, image
from casemate.podvm.recipe import Variant
from tests.sim.podvm_image import small_image


def test_equal_images_have_no_difference(tmp_path: Path) -> None:
    one, two = (image.load(small_image(tmp_path / name)) for name in ("one", "two"))
    assert comparison.compare(one, two) == []


def test_difference_is_named(tmp_path: Path) -> None:
    one = image.load(small_image(tmp_path / "one"))
    two = image.load(small_image(tmp_path / "two", variant=Variant.DEBUG))
    (found,) = comparison.compare(one, two)
    assert (found.what, found.left, found.right) == ("variant", "production", "debug")
