"""Protected PCIe (tee §13): eight GPUs and four switches that name each other."""

from collections.abc import Iterable
from typing import Final

from casemate.tee.nvidia.opaque import Opaque

CLASS: Final = "ppcie"
GPUS: Final = 8
SWITCHES: Final = 4


def agree(gpus: Iterable[Opaque], switches: Iterable[Opaque]) -> bool:
    """Say whether every GPU is linked to just these switches, and these are four.

    A GPU names the switch of each of its links, and reverses the bytes of what the switch calls
    itself; either order is taken.
    """
    own = [one.pdis() for one in switches]
    if any(len(one) != 1 for one in own):
        return False
    named = {pdi for one in own for pdi in one}
    backwards = {pdi[::-1] for pdi in named}
    return len(named) == SWITCHES and all(one.pdis() in (named, backwards) for one in gpus)
