"""The guest's imports, rehearsed when the image is built.

The image's own interpreter imports the guest here. What it compiled of regular expressions goes
into the bundle, which gives them instead of compiling (podvm/start.py): Python compiles them in
Python, a tenth of all importing. And the modules it imported stand first in the bundle, since every
pod reads them and few read the rest.
"""

import marshal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.linux import program
from casemate.podvm import bytecode, recorder
from casemate.podvm import recipe as recipes

_PATIENCE: Final = 120.0
_STDLIB: Final = "usr/lib/python3.11"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of it."""

    imported: frozenset[str]
    """Names of modules."""
    patterns: bytes
    """Compiled regular expressions, marshalled, as ``start.encode`` takes them."""


def hold(site: Mapping[str, bytes], *, packages: Path, work: Path) -> Rehearsal:
    """Import the guest's processes once.

    Args:
        site: every file of the guest's site folder, ours and the wheels'.
        packages: folder with Debian's packages unpacked, the interpreter among them.
        work: folder for temporary files.

    Raises:
        HostError: the guest cannot be imported.
    """
    for path, data in site.items():
        file = work / "site" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    output = work / "rehearsal"
    stdlib = packages / _STDLIB
    folders = [str(folder) for folder in (work / "site", stdlib, stdlib / "lib-dynload")]
    lines = ([str(output)], folders, recipes.GUEST_PROCESSES)
    program.run(
        [*bytecode.foreign(packages, "usr/bin/python3.11"), "-ISB", recorder.__file__],
        input="\n".join(map(" ".join, lines)).encode(),
        timeout=_PATIENCE,
    )
    imported, patterns = marshal.loads(output.read_bytes())  # noqa: S302  # ours
    return Rehearsal(frozenset(imported), marshal.dumps(patterns, 2))
