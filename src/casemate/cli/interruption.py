"""Being told to end: Ctrl-C and SIGTERM are one thing, and what was started is stopped again."""

import signal
from types import FrameType


def end_cleanly_when_terminated() -> None:
    """Treat SIGTERM as Ctrl-C, which unwinds whatever runs."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
