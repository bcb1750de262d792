"""Footprints: which parts of large libraries a pod's start touches, as seen in a real guest.

Both libraries are several megabytes of which a start uses a half, scattered. What it touches is
verified and unpacked anyway; read ahead, it is so by the processor that has nothing else to do,
instead of page fault by page fault while the other waits.

Seen, not reckoned at build: what a build would see of it depends on the machine that builds. A
footprint of another version of its library is of no use and of no harm. ``tests/podvm/
test_footprint.py`` looks into a guest and says what to write here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from casemate.podvm import elf

WINDOW: Final = 32 << 10
"""Bytes. As much as the kernel reads around a page fault (``read_less_around`` of init.c)."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What was touched of one library.

    Args:
        size: of the library in the image, in bytes; it tells whether this is the one that was seen.
        windows: bit n is set if something of window n was touched.
    """

    size: int
    windows: int

    def parts(self) -> Iterator[tuple[int, int]]:
        """Give runs of touched windows: (offset, bytes), in the order of the file."""
        begin = None
        for number in range(self.windows.bit_length() + 1):
            if self.windows >> number & 1:
                begin = number if begin is None else begin
            elif begin is not None:
                yield begin * WINDOW, min(number * WINDOW, self.size) - begin * WINDOW
                begin = None


SEEN: Final = {
    "cryptography/hazmat/bindings/_rust.abi3.so": Footprint(  # cryptography 50.0.2
        11565728,
        0x1FFFFFFFF38003FE00000FF63FFFFFF3FFE60001FE0000060FDB9CFB7FA7FF7FFE00000000FFFFFFF87FFFFFF,
    ),
    "regorus/regorus.abi3.so": Footprint(  # regorus 0.10.1
        9562704, 0xFFFFFFFFFFFDFF0FFFF3FDFC00000000018FFFFFFFFFFFFFFE00007870C03F807FFFFFFFF
    ),
}
"""By path below the image's folder for wheels, in the order of their use."""


def parts(path: str, library: bytes) -> list[tuple[int, int]]:
    """Parts of a library to read ahead: (offset, bytes).

    What was seen of this very one; of another version, what the dynamic loader reads whole.

    Raises:
        InputError: the library is no well-formed ELF file.
    """
    seen = SEEN[path]
    return list(seen.parts()) if seen.size == len(library) else elf.relocated(library)
