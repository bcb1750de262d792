"""Install what is missing, from Debian's own archive."""

import os
from collections.abc import Sequence
from typing import Final

from casemate.errors import CasemateError, HostError
from casemate.linux import program
from casemate.stack.doctor.finding import Finding

_PATIENCE: Final = 900.0  # seconds
_QUIET: Final = ("env", "DEBIAN_FRONTEND=noninteractive")
"""Passed as a command: sudo passes no variable on."""


def missing_packages(findings: Sequence[Finding]) -> list[str]:
    """Name the Debian packages that would mend these findings."""
    return sorted({package for finding in findings for package in finding.packages})


def install(packages: Sequence[str]) -> None:
    """Install packages as root, or by sudo where it asks for no password.

    Raises:
        HostError: no right to install, no network, or no such package.
    """
    root = _as_root(packages)
    program.run([*root, *_QUIET, "apt-get", "update", "-qq"], timeout=_PATIENCE)
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
    program.run([*root, *_QUIET, *install, *packages], timeout=_PATIENCE)


def _as_root(packages: Sequence[str]) -> list[str]:
    if os.geteuid() == 0:
        return []
    try:
        program.run(["sudo", "-n", "true"], timeout=10)
    except CasemateError as error:
        raise HostError(
            "installing packages",
            got="neither root nor a sudo without password",
            want="one of them",
            remedy=f"As root: apt-get install {' '.join(packages)}",
        ) from error
    return ["sudo", "-n"]
