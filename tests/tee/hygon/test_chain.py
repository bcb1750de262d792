"""Which files count as a root, a chip's certificates, or nothing."""

import msgspec
import pytest

from casemate.errors import PeerError
from casemate.tee.anchors import Anchors
from casemate.tee.hygon.certificate import CA_SIZE, CSV_SIZE
from casemate.tee.hygon.chain import choose, split
from casemate.tee.hygon.collateral import want_root
from casemate.tee.hygon.roots import PINS
from casemate.tee.material import Material
from tests.tee.simulated import inputs_of, simulated


def test_the_root_is_pinned_by_its_digest_and_nothing_else() -> None:
    assert {pin.hex() for pin in PINS} == {
        "296efa97580464aca0ab5eefe42199ee05862182508d1629f29cf4dc175b10cd"
    }


@pytest.mark.parametrize("size", [0, CA_SIZE, CSV_SIZE, CA_SIZE + CSV_SIZE + 1])
def test_file_of_another_size_is_no_pair(size: int) -> None:
    with pytest.raises(PeerError):
        split(bytes(size))


def test_file_named_after_the_chip_is_tried_first_and_not_all_are() -> None:
    one = simulated("csv")
    (pair,) = one.collateral.values()
    others = {f"a{index}": pair[:-1] + bytes([index]) for index in range(100)}
    tried = []

    def fits(cek: object) -> bool:
        tried.append(cek)
        return False

    files = Material.of_files({**others, "z/SIM1/hsk_cek.cert": pair})
    inputs = msgspec.structs.replace(inputs_of(one), collateral=files)
    assert choose(inputs, "SIM1", fits) is None
    assert len(tried) == 64
    assert tried[0] == split(pair).cek


def test_root_is_asked_for_until_one_is_pinned_or_one_that_is_not_came() -> None:
    url = "https://vendor.example"
    made = simulated("csv")
    right = inputs_of(made)
    nothing = msgspec.structs.replace(right, anchors=Anchors())
    (want,) = want_root(nothing, url)
    assert want.url == f"{url}/hrk"
    assert want.largest == CA_SIZE
    assert want_root(right, url) == ()
    came = Material.of_files({want.name: bytes(CA_SIZE)})
    assert want_root(msgspec.structs.replace(nothing, collateral=came), url) == ()
