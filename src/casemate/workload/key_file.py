"""Keys in files of the owner's: private from the first byte, never overwritten."""

import os
from pathlib import Path

from casemate.crypto.cipher import KEY_SIZE
from casemate.errors import HostError, InputError
from casemate.secret import Secret
from casemate.workload.encryption import WrappingKey


def read_or_create(file: Path, uri: str) -> WrappingKey:
    """Read a 32-byte wrapping key, or make one and write it there.

    Raises:
        InputError: ``uri`` is not a KBS URI, or the file does not hold 32 bytes.
        HostError: the file cannot be read or written.
    """
    made = WrappingKey.create(uri)
    try:
        write_private(file, made.key)
    except InputError:
        found = _read(file)
        if len(found) != KEY_SIZE:
            raise InputError(str(file), got=f"{len(found)} bytes", want=f"{KEY_SIZE}") from None
        return WrappingKey(uri, found)
    return made


def write_private(file: Path, content: Secret) -> None:
    """Write a new file that only its owner may read; half a key is never left.

    Raises:
        InputError: there is a file already.
        HostError: the folder cannot be written to, the disk is full.
    """
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise InputError(str(file), got="a file", want="a name that is free") from error
    except OSError as error:
        raise HostError(str(file), got=error.strerror, want="a file to write to") from error
    try:
        with os.fdopen(fd, "wb") as opened:
            opened.write(content.reveal())
    except OSError as error:
        file.unlink(missing_ok=True)
        raise HostError(str(file), got=error.strerror, want="room for a key") from error


def _read(file: Path) -> Secret:
    try:
        with file.open("rb") as opened:
            return Secret(opened.read(KEY_SIZE + 1))
    except OSError as error:
        raise HostError(str(file), got=error.strerror, want="a readable key file") from error
