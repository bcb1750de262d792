"""How much of a large space a test tries: an even spread, or all of it where time does not matter.

``make thorough`` sets CASEMATE_THOROUGH; CI runs it beside the fuzzers.
"""

import os

THOROUGH = bool(os.environ.get("CASEMATE_THOROUGH"))


def places(size: int, most: int = 250) -> range:
    """Give offsets below ``size``: all when thorough, else about ``most`` of them.

    The step is odd, so that ``1 << at % 8`` still meets every bit of a byte.
    """
    return range(0, size, 1 if THOROUGH else max(1, size // most) | 1)


def times(few: int, many: int) -> int:
    """Give ``many`` when thorough, else ``few``."""
    return many if THOROUGH else few
