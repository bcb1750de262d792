"""Footprints: which parts of large files a pod's start touches, as seen in a real guest.

What it touches is verified and unpacked anyway; read ahead, it is so by the processor that has
nothing else to do, instead of page fault by page fault while the other waits. What it does not
touch, a fifth of Python and a half of some libraries, costs as much and is for nothing.

Seen, not reckoned at build: what a build would see of it depends on the machine that builds. A
footprint of another version of its file is of no use and of no harm. ``tests/podvm/
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
    """What was touched of one file.

    Args:
        size: of the file in the image, in bytes; it tells whether this is the one that was seen.
        windows: bit n is set if something of window n was touched.
    """

    size: int
    windows: int

    def of(self, file: bytes) -> list[tuple[int, int]]:
        """Parts of a file to read ahead: (offset, bytes).

        What was seen of this very one; of another version, what the dynamic loader reads whole.

        Raises:
            InputError: the file is no well-formed ELF file.
        """
        return list(self.parts()) if self.size == len(file) else elf.relocated(file)

    def parts(self) -> Iterator[tuple[int, int]]:
        """Give runs of touched windows: (offset, bytes), in the order of the file."""
        begin = None
        for number in range(self.windows.bit_length() + 1):
            if self.windows >> number & 1:
                begin = number if begin is None else begin
            elif begin is not None:
                yield begin * WINDOW, min(number * WINDOW, self.size) - begin * WINDOW
                begin = None


PYTHON_RUNS: Final = Footprint(6806872, 0xFFFFFFFFFF80037CEFC000607FFFFE0FFFFF1FFFFFFFFEE1BFFF)
"""Python 3.11, until its first statement."""
PYTHON: Final = Footprint(6806872, 0xFFFFFFFFFF8003FCFFC000607FFFFFFFFFFFFFFFFFFFFFFFFFFF)
LIBC: Final = Footprint(1919080, 0x63FEF7FEFFFFFFF)
LIBM: Final = Footprint(909572, 0x837E3FF)
LIBCRYPTO: Final = Footprint(4740392, 0x1FFF8001FFFFFFFFEFFFFFFFFFFFFFFFFFFFF)
"""OpenSSL 3.0."""
CRYPTOGRAPHY: Final = Footprint(
    11565728,
    0x1FFFFFFFF38003FE00000FF63FFFFFF3FFE60001FE0000060FDB9CFB7FA7FF7FFE00000000FFFFFFF87FFFFFF,
)
"""The one library of cryptography, with an OpenSSL of its own."""
REGORUS: Final = Footprint(
    9562704, 0xFFFFFFFFFFFDFF0FFFF3FDFC00000000018FFFFFFFFFFFFFFE00007870C03F807FFFFFFFF
)
