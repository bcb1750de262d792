"""This very program, run once more as a process of its own."""

import os
import sys
from typing import Final

CASEMATE: Final = (sys.executable, "-P", "-m", "casemate.cli.main")
"""From whatever environment it runs in; the current folder is not searched for modules."""


def own_environment() -> dict[str, str]:
    """Give our own settings among the environment's variables: all that it may inherit."""
    return {name: value for name, value in os.environ.items() if name.startswith("CASEMATE_")}
