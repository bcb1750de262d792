"""The machine as attesters see it: its file tree, environment and processor."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where devices are looked for; another root is a machine made of plain files."""

    root: Path
    environ: Mapping[str, str]
    architecture: str
    """As ``uname -m`` says it: x86_64, aarch64, s390x."""

    @classmethod
    def this(cls, environ: Mapping[str, str] | None = None, *, root: Path = Path("/")) -> "Machine":
        """Give the machine we run on."""
        return cls(
            root=root,
            environ=os.environ if environ is None else environ,
            architecture=os.uname().machine,
        )

    def path(self, absolute: Path | str) -> Path:
        """Give the place of an absolute path below the root."""
        return self.root / str(absolute).lstrip("/")
