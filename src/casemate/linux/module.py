"""Kernel modules, by the list that the image carries; nothing is looked up or guessed."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.linux import libc

_EEXIST: Final = 17


def load(file: Path, parameters: str = "") -> None:
    """Load one ``.ko`` file; one that is loaded already is fine.

    Raises:
        HostError: the file is missing or the kernel refuses it.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            libc.finit_module(descriptor, parameters)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno == _EEXIST:
            return
        raise HostError(
            f"kernel module {file.name}", got=error, want="a loadable module"
        ) from error


def read_list(file: Path) -> list[Path]:
    """Read absolute paths, one a line, in the order in which they are to be loaded."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [Path(line) for line in map(str.strip, lines) if line and not line.startswith("#")]


def load_all(files: Iterable[Path]) -> None:
    """Load modules in order.

    Raises:
        HostError: as :func:`load`.
    """
    for file in files:
        load(file)
