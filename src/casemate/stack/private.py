"""Files that only their owner may read."""

import os
from pathlib import Path

from casemate.secret import Secret


def write_private(file: Path, key: Secret) -> None:
    """Write a key with mode 0600, never readable by others for a moment."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as writing:
        writing.write(key.reveal())
