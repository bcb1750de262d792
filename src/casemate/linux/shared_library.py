"""Libraries of vendors, loaded only where their driver is: none of them is ours to ship."""

import ctypes
import os
from collections.abc import Iterable

from casemate.errors import HostError


def load(names: Iterable[str | os.PathLike[str]], *, remedy: str) -> ctypes.CDLL:
    """Load the first library that is there.

    Raises:
        HostError: none is.
    """
    tried = []
    for name in names:
        try:
            return ctypes.CDLL(os.fspath(name))
        except OSError as error:
            tried.append(str(error))
    raise HostError(
        "shared library", got="; ".join(tried) or "none", want="one of them", remedy=remedy
    )
