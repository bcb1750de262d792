"""What a VM is made from: paths of a built pod VM image, as a provider needs them."""

from collections.abc import Callable
from pathlib import Path

import msgspec


class VmImage(msgspec.Struct, frozen=True, kw_only=True):
    """One bootable image. All paths are absolute and only read."""

    uki: Path
    """Unified kernel image; its command line carries the root's verity hash."""
    root: Path
    """Root file system with its verity tree."""
    firmware_code: Path
    firmware_variables: Path
    """Fresh OVMF variables: each VM gets its own copy."""


FindImage = Callable[[str], VmImage]
"""Give the image of a name or folder; the adaptor's default for an empty one.

Raises:
    InputError: there is no such image.
    HostError: it is damaged or not built yet.
"""
