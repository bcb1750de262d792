"""Regular expressions of the guest, compiled when the image is built.

Python compiles them in Python; those of the guest's imports are a tenth of all its importing. The
image's own interpreter imports the guest here and its compiled forms go into the bundle, which
gives them instead of compiling (podvm/start.py).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from casemate.linux import program
from casemate.podvm import bytecode, recorder
from casemate.podvm import recipe as recipes

_PATIENCE: Final = 120.0
_STDLIB: Final = "usr/lib/python3.11"


def collect(site: Mapping[str, bytes], *, packages: Path, work: Path) -> bytes:
    """Give what ``start.encode`` takes: the compiled forms, marshalled.

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
    output = work / "patterns"
    stdlib = packages / _STDLIB
    folders = [str(folder) for folder in (work / "site", stdlib, stdlib / "lib-dynload")]
    lines = ([str(output)], folders, recipes.GUEST_PROCESSES)
    program.run(
        [*bytecode.foreign(packages, "usr/bin/python3.11"), "-ISB", recorder.__file__],
        input="\n".join(map(" ".join, lines)).encode(),
        timeout=_PATIENCE,
    )
    return output.read_bytes()
