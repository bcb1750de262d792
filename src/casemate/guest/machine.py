"""Kernel modules beyond those that the initrd's program loads for every pod."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from casemate.linux import module

SCRATCH_MODULES: Final = Path("/usr/lib/casemate/modules.scratch")
"""Kernel modules that a sealed disk needs: absolute paths, one a line, in the order to load them.

Part of the image, as the list beside it of what every pod needs; the initrd's program has loaded
that one, and this one where there is a scratch disk.
"""

VOLUME_MODULES: Final = Path("/usr/lib/casemate/modules.volumes")
"""The same for what owners' volumes need besides; loaded with the first of them."""


def load_modules(listed: Path, load: Callable[[Path], None] = module.load) -> None:
    """Load the modules of a list of the image; those that are loaded already stay.

    Raises:
        HostError: one is missing or refused.
    """
    for file in module.read_list(listed):
        load(file)
