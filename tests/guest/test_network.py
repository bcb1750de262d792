from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.guest import network


def test_the_card_is_the_one_that_is_no_loopback(tmp_path: Path) -> None:
    (tmp_path / "lo").mkdir()
    with pytest.raises(HostError, match="no card"):
        network.card(tmp_path)
    (tmp_path / "ens1").mkdir()
    assert network.card(tmp_path) == "ens1"
