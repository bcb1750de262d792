"""Attestations that were believed, kept for auditors: as received, newest only."""

import hashlib
import os
from pathlib import Path
from typing import Final

from casemate import files
from casemate.errors import HostError

_SUFFIX: Final = ".json"


class EvidenceArchive:
    """A folder of attestation bodies (spec §3.3): evidence, nonce, public key, initdata.

    None of that is secret, and none of it serves twice: each is bound to its own challenge.
    """

    def __init__(self, folder: Path, *, most: int) -> None:
        """``most`` is how many are kept; the oldest goes first. 0 keeps none."""
        self._folder = folder
        self._most = most

    def keep(self, body: bytes) -> None:
        """Keep one attestation; a file appears whole or not at all.

        Raises:
            HostError: it cannot be written. What cannot be kept must not be believed.
        """
        if self._most == 0:
            return
        file = self._folder / f"{hashlib.sha256(body).hexdigest()[:32]}{_SUFFIX}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            files.replace(file, body)
            for old in self.newest_first()[self._most :]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise HostError(
                str(self._folder), got=error.strerror, want="room for evidence"
            ) from error

    def newest_first(self) -> list[Path]:
        """Give the kept files."""
        entries = [e for e in os.scandir(self._folder) if e.name.endswith(_SUFFIX)]
        entries.sort(key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
        return [Path(entry.path) for entry in entries]
