"""Being told to end: Ctrl-C and SIGTERM are one thing, and what was started is stopped again."""

import signal
from types import FrameType


def end_cleanly_when_terminated() -> None:
    """Treat SIGTERM as Ctrl-C, which unwinds whatever runs.

    A shell starts what it puts into the background with SIGINT ignored. Left so, SIGTERM would do
    nothing either, and whoever ends us would have to kill: with a VM left behind.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
