"""Programs and files which the stack needs, and the Debian packages they come in."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.stack.doctor.finding import Finding, Grade


@dataclass(frozen=True, slots=True)
class Tool:
    """A program in PATH, or a file where ``place`` is absolute."""

    place: str
    package: str
    purpose: str


TOOLS: Final = (
    Tool("qemu-system-x86_64", "qemu-system-x86", "runs the pod VM"),
    Tool("/usr/share/OVMF/OVMF_CODE.fd", "ovmf", "its firmware, measured"),
    Tool("swtpm", "swtpm", "its TPM"),
    Tool("mkfs.erofs", "erofs-utils", "packs its root file system"),
    Tool("veritysetup", "cryptsetup-bin", "seals it"),
    Tool("docker-registry", "docker-registry", "holds the demo's image"),
    Tool("skopeo", "skopeo", "reads it back, as a stranger would"),
    Tool("/bin/busybox", "busybox-static", "is the demo's application"),
)


def look(path: str) -> list[Finding]:
    """Look for every tool: programs in ``path``, files where Debian keeps them."""
    return [_look(tool, path) for tool in TOOLS]


def _look(tool: Tool, path: str) -> Finding:
    name = Path(tool.place).name
    if tool.place.startswith("/"):
        found = tool.place if Path(tool.place).exists() else None
    else:
        found = shutil.which(tool.place, path=path)
    if found is not None:
        return Finding(name=name, grade=Grade.OK, found=found)
    return Finding(
        name=name,
        grade=Grade.MISSING,
        found=f"not found; it {tool.purpose}",
        remedy=f"apt-get install {tool.package}",
        packages=(tool.package,),
    )
