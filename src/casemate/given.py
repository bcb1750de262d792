"""Files that a person gives: read whole, up to a limit; what is wrong is the giver's mistake."""

from pathlib import Path
from typing import BinaryIO, Final

from casemate.errors import InputError

LARGEST: Final = 16 << 20
"""Bytes, unless a format has a limit of its own: keys, policies, documents are far below."""


def read(file: Path | BinaryIO, *, largest: int = LARGEST) -> bytes:
    """Read a file, or a stream that is open, of at most ``largest`` bytes.

    Raises:
        InputError: it cannot be read, or is larger.
    """
    name = str(file) if isinstance(file, Path) else file.name
    try:
        if isinstance(file, Path):
            with file.open("rb") as stream:
                body = stream.read(largest + 1)
        else:
            body = file.read(largest + 1)
    except OSError as error:
        raise InputError(name, got=error.strerror or error, want="a readable file") from error
    if len(body) > largest:
        raise InputError(name, got="a larger file", want=f"at most {largest} bytes")
    return body


def read_text(file: Path | BinaryIO, *, largest: int = LARGEST) -> str:
    """Read a file of text, as above; in UTF-8.

    Raises:
        InputError: as above, or no text.
    """
    body = read(file, largest=largest)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        name = str(file) if isinstance(file, Path) else file.name
        raise InputError(name, got=error, want="a text file in UTF-8") from error
