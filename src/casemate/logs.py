"""One line per event, for people and programs; secrets cannot pass through their type."""

import logging
import sys
from typing import TextIO

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s %(message)s"


def configure(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Send log lines of this process to ``stream`` (standard error when not given).

    Called once, by a composition root. ``level`` is one of debug, info, warning, error.
    """
    logging.basicConfig(
        level=level.upper(),
        format=_FORMAT,
        stream=stream if stream is not None else sys.stderr,
        force=True,
    )
