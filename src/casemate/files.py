"""Files, whole: read up to a limit, replaced at once."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from casemate.errors import InputError

LARGEST: Final = 16 << 20
"""Bytes, unless a format has a limit of its own: keys, policies, documents are far below."""


def read(file: Path | BinaryIO, *, largest: int = LARGEST) -> bytes:
    """Read a file that a person names, or a stream, of at most ``largest`` bytes.

    Raises:
        InputError: it cannot be read, or is larger.
    """
    try:
        if isinstance(file, Path):
            with file.open("rb") as stream:
                body = _to_the_end(stream, largest)
        else:
            body = _to_the_end(file, largest)
    except OSError as error:
        raise InputError(
            _name(file), got=error.strerror or error, want="a readable file"
        ) from error
    if len(body) > largest:
        raise InputError(_name(file), got="a larger file", want=f"at most {largest} bytes")
    return body


def read_text(file: Path | BinaryIO, *, largest: int = LARGEST) -> str:
    """Read a file of text, as above; in UTF-8, line ends as they are.

    Raises:
        InputError: as above, or no text.
    """
    body = read(file, largest=largest)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InputError(_name(file), got=error, want="a text file in UTF-8") from error


def replace(place: Path, content: bytes, *, mode: int = 0o666, lasting: bool = False) -> None:
    """Put a file in its place: readers see the old one or the new one, never half of one.

    ``mode`` is that of a new file, less the umask; an older one's stays. ``lasting``: its content
    is on the disk before it appears.

    Raises:
        OSError: it cannot be written; what was there is there still.
    """
    half = place.parent / f".{os.urandom(8).hex()}.half"
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, stat.S_IMODE(place.stat().st_mode))
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(descriptor)
        half.replace(place)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _to_the_end(stream: BinaryIO, largest: int) -> bytes:
    """Read until the end or just beyond ``largest``: one that does not wait gives pieces."""
    pieces = []
    wanted = largest + 1
    while wanted and (piece := stream.read(wanted)) != b"":
        if piece is None:
            raise BlockingIOError(0, "nothing there yet, on a stream that does not wait")
        pieces.append(piece)
        wanted -= len(piece)
    return b"".join(pieces)


def _name(file: Path | BinaryIO) -> str:
    return str(file) if isinstance(file, Path) else file.name
