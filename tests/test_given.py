import io
import os
from pathlib import Path

import pytest

from casemate import given
from casemate.errors import InputError


def stream(content: bytes) -> io.BytesIO:
    opened = io.BytesIO(content)
    opened.name = "<stdin>"
    return opened


def test_file_and_stream_are_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert given.read(file, largest=5) == given.read(stream(b"12345"), largest=5) == b"12345"


def test_larger_one_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    with pytest.raises(InputError, match="file: got a larger file, want at most 4 bytes"):
        given.read(file, largest=4)
    with pytest.raises(InputError, match="<stdin>: got a larger file"):
        given.read(stream(b"12345"), largest=4)


def test_what_cannot_be_read_is_the_givers_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        given.read(tmp_path / "missing")
    with pytest.raises(InputError, match="Is a directory"):
        given.read(tmp_path)
    written = os.fdopen(os.open(tmp_path / "written", os.O_WRONLY | os.O_CREAT), "wb")
    with written, pytest.raises(InputError, match="readable"):
        given.read(written)


def test_text_is_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes("\N{SNOWMAN}".encode())
    assert given.read_text(file) == "\N{SNOWMAN}"
    file.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"file: .*UTF-8"):
        given.read_text(file)
