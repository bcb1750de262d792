"""What is read ahead of a pod's start, in the order of its use.

The initrd's program reads it, while Python starts, on another processor (``read_ahead`` of init.c).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from casemate.podvm import elf, footprint
from casemate.podvm.footprint import Footprint

Part: TypeAlias = tuple[str, int, int]
"""Path in the image, offset, bytes."""
_Touched: TypeAlias = tuple[str, Footprint | None]
"""Path, and what a start touches of the file; None: nearly everything."""

_LIBRARIES: Final = "usr/lib/x86_64-linux-gnu"
_DYNLOAD: Final = "usr/lib/python3.11/lib-dynload"
_SITE: Final = "usr/lib/casemate/site"
_TAG: Final = "cpython-311-x86_64-linux-gnu"

_PYTHON: Final = "usr/bin/python3.11"
_LOADED_FIRST: Final[tuple[_Touched, ...]] = (
    ("usr/lib64/ld-linux-x86-64.so.2", None),
    (f"{_LIBRARIES}/libc.so.6", footprint.LIBC),
    (f"{_LIBRARIES}/libm.so.6", footprint.LIBM),
    (f"{_LIBRARIES}/libz.so.1", None),
    (f"{_LIBRARIES}/libexpat.so.1", None),
)
_IMPORTED: Final[tuple[_Touched, ...]] = (
    (f"{_SITE}/msgspec/_core.{_TAG}.so", None),
    (_PYTHON, footprint.PYTHON),
    (f"{_LIBRARIES}/libcrypto.so.3", footprint.LIBCRYPTO),
    (f"{_DYNLOAD}/_hashlib.{_TAG}.so", None),
    (f"{_LIBRARIES}/libssl.so.3", None),
    (f"{_DYNLOAD}/_ssl.{_TAG}.so", None),
    (f"{_DYNLOAD}/_asyncio.{_TAG}.so", None),
    (f"{_SITE}/_cffi_backend.{_TAG}.so", None),
    (f"{_LIBRARIES}/libgcc_s.so.1", None),
    (f"{_SITE}/google/_upb/_message.abi3.so", None),
    (f"{_DYNLOAD}/_ctypes.{_TAG}.so", None),
    (f"{_LIBRARIES}/libffi.so.8", None),
    (f"{_SITE}/cryptography/hazmat/bindings/_rust.abi3.so", footprint.CRYPTOGRAPHY),
    (f"{_SITE}/regorus/regorus.abi3.so", footprint.REGORUS),
)
_OF_A_CONTAINER: Final[tuple[_Touched, ...]] = (
    ("usr/bin/crun", None),
    (f"{_LIBRARIES}/libcap.so.2", None),
    (f"{_LIBRARIES}/libseccomp.so.2", None),
    (f"{_LIBRARIES}/libyajl.so.2", None),
    (f"{_LIBRARIES}/libgpg-error.so.0", None),
    (f"{_LIBRARIES}/liblzma.so.5", None),
    (f"{_LIBRARIES}/liblz4.so.1", None),
)
_LINKED_AND_UNUSED: Final = (
    f"{_LIBRARIES}/libsystemd.so.0",
    f"{_LIBRARIES}/libgcrypt.so.20",
    f"{_LIBRARIES}/libzstd.so.1",
)
"""Libraries that crun is linked with and hardly uses: what the loader relocates."""

SEEN: Final = {path: seen for path, seen in (*_LOADED_FIRST, *_IMPORTED) if seen}
"""Footprints by the path of their file, each of all that a start touches."""


def parts(found: Callable[[str], bytes], bundle: tuple[str, int]) -> Iterator[Part]:
    """List the parts of files to read, first things first.

    Args:
        found: gives a file of the image.
        bundle: path of all byte code, and how many bytes of it are what a start imports.

    Raises:
        HostError: from ``found``, if there is no such file.
        InputError: a file is no well-formed ELF file.
    """
    yield from _relocated(_PYTHON, found)
    yield from _touched(_LOADED_FIRST, found)
    yield from _touched([(_PYTHON, footprint.PYTHON_RUNS)], found)
    path, beginning = bundle
    yield path, 0, beginning
    yield from _touched(_IMPORTED, found)
    yield from _touched(_OF_A_CONTAINER, found)
    for library in _LINKED_AND_UNUSED:
        yield from _relocated(library, found)


def _touched(files: Iterable[_Touched], found: Callable[[str], bytes]) -> Iterator[Part]:
    for path, seen in files:
        data = found(path)
        for offset, size in seen.of(data) if seen else [(0, len(data))]:
            yield path, offset, size


def _relocated(path: str, found: Callable[[str], bytes]) -> Iterator[Part]:
    for offset, size in elf.relocated(found(path)):
        yield path, offset, size
