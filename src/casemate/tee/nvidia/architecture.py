"""The architectures whose evidence we know, and how a device's certificates name its chip."""

import re
from typing import Final

import msgspec

from casemate.errors import PeerError

GPU: Final = "gpu"
SWITCH: Final = "switch"
_CHIP: Final = re.compile(r"\b(?:GH|GB|LS)\d\w*")


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """An architecture."""

    wire: str
    """In evidence, in any letter case."""
    claim: str
    """In claims."""
    tee_class: str
    chip: str
    """What the names of its chips begin with."""


HOPPER: Final = Architecture(wire="HOPPER", claim="Hopper", tee_class=GPU, chip="GH")
BLACKWELL: Final = Architecture(wire="BLACKWELL", claim="Blackwell", tee_class=GPU, chip="GB")
LS10: Final = Architecture(wire="LS10", claim="LS10", tee_class=SWITCH, chip="LS10")
ALL: Final = (HOPPER, BLACKWELL, LS10)


def parse(name: str) -> Architecture:
    """Find an architecture by its name in evidence; PeerError when nobody knows it."""
    for one in ALL:
        if name.upper() == one.wire:
            return one
    raise PeerError("arch", got=name, want=", ".join(one.wire for one in ALL), spec="tee §13")


def chip_of(common_name: str) -> str:
    """Give the chip that a certificate's name begins with, ``GH100`` for instance; or nothing."""
    found = _CHIP.search(common_name)
    return found[0] if found else ""


def of_chip(chip: str) -> Architecture | None:
    """Find the architecture of a chip."""
    return next((one for one in ALL if chip.startswith(one.chip)), None)
