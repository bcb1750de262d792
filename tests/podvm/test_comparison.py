from pathlib import Path

import pytest

from casemate.errors import InputError
from casemate.podvm import comparison, image
from casemate.podvm.recipe import Variant
from tests.sim.podvm_image import small_image


def test_equal_images_have_no_difference(tmp_path: Path) -> None:
    one, two = (image.load(small_image(tmp_path / name)) for name in ("one", "two"))
    assert comparison.compare(one, two) == []


@pytest.mark.parametrize("sbom", [b"", b'{"packages":"\xff"}', b'{"x":' + b"[" * 5000])
def test_bill_of_materials_that_cannot_be_read_is_told(tmp_path: Path, sbom: bytes) -> None:
    one = image.load(small_image(tmp_path / "one"))
    one.sbom.write_bytes(sbom)
    with pytest.raises(InputError, match="bill of materials"):
        comparison.compare(one, one)


def test_difference_is_named(tmp_path: Path) -> None:
    one = image.load(small_image(tmp_path / "one"))
    two = image.load(small_image(tmp_path / "two", variant=Variant.DEBUG))
    (found,) = comparison.compare(one, two)
    assert (found.what, found.left, found.right) == ("variant", "production", "debug")
