"""The whole examination, in the order a person reads it."""

import os
from collections.abc import Callable
from pathlib import Path

from casemate.errors import CasemateError
from casemate.linux.program import SEARCH_PATH
from casemate.stack.doctor import machine, tools
from casemate.stack.doctor.finding import Finding, Grade


async def examine(
    *, state: Path, cache: Path, progress: Callable[[str], None], path: str = SEARCH_PATH
) -> list[Finding]:
    """Look at everything; nothing is changed. ``path`` is where programs are looked for."""
    findings = tools.look(path)
    findings += [machine.user(path), machine.memory()]
    findings += [machine.disk("disk: state", state), machine.disk("disk: cache", cache)]
    progress("acceleration: booting something tiny")
    return [*findings, await _acceleration()]


def cache_folder() -> Path:
    """Where built pod VM images are kept (``CASEMATE_CACHE``)."""
    return Path(os.environ.get("CASEMATE_CACHE", "~/.cache/casemate")).expanduser()


async def _acceleration() -> Finding:
    from casemate.peerpods.clouds.qemu import acceleration

    try:
        probe = await acceleration.probe()
    except CasemateError as error:
        return Finding(name="acceleration", grade=Grade.NOTE, found=str(error))
    return Finding(name="acceleration", grade=Grade.OK, found=str(probe))
