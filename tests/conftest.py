"""Settings that every test shares."""

import os

import pytest
from hypothesis import settings

# The same examples each time, however busy the machine: a test breaks by a change, not by chance.
# `pytest --hypothesis-profile explore` looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what only root can do where an ordinary user runs the tests."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs to be root"))
