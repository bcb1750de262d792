from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trustee.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a Trustee of profile development that listens to sample too."""
    made = Site.found(tmp_path / "trustee")
    yield made
    made.trustee.close()


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Site]:
    made = Site.found(
        tmp_path / "trustee", profile="production", sample=False, resource_policy="production"
    )
    yield made
    made.trustee.close()
