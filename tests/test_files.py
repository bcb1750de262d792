import io
import os
from pathlib import Path

import pytest

from casemate import files
from casemate.errors import InputError
from tests.sim.small_disk import small_disk


def stream(content: bytes) -> io.BytesIO:
    opened = io.BytesIO(content)
    opened.name = "<stdin>"
    return opened


def test_file_and_stream_are_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert files.read(file, largest=5) == files.read(stream(b"12345"), largest=5) == b"12345"


def test_larger_one_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    with pytest.raises(InputError, match="file: got a larger file, want at most 4 bytes"):
        files.read(file, largest=4)
    with pytest.raises(InputError, match="<stdin>: got a larger file"):
        files.read(stream(b"12345"), largest=4)


def test_what_cannot_be_read_is_the_givers_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        files.read(tmp_path / "missing")
    with pytest.raises(InputError, match="Is a directory"):
        files.read(tmp_path)
    written = os.fdopen(os.open(tmp_path / "written", os.O_WRONLY | os.O_CREAT), "wb")
    with written, pytest.raises(InputError, match="readable"):
        files.read(written)


def test_text_is_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes("\N{SNOWMAN}".encode())
    assert files.read_text(file) == "\N{SNOWMAN}"
    file.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"file: .*UTF-8"):
        files.read_text(file)


def test_stream_that_does_not_wait_is_read_as_a_whole_or_not_at_all() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb") as other:
        with pytest.raises(InputError, match="does not wait"):
            files.read(stream)
        other.write(b"all")
        other.close()
        assert files.read(stream) == b"all"


def test_file_is_replaced_with_its_mode_and_leaves_nothing_beside(tmp_path: Path) -> None:
    file = tmp_path / "file"
    files.replace(file, b"new", mode=0o600, lasting=True)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    files.replace(file, b"newer", mode=0o600)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"newer", 0o640)
    assert [*tmp_path.iterdir()] == [file]


def test_file_that_cannot_be_replaced_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "folder" / "none" / "file"):
        with pytest.raises(OSError):  # noqa: PT011  # each its own
            files.replace(place, b"new")
    with small_disk(tmp_path / "disk", "size=64k") as full:
        files.replace(full / "file", b"old")
        with pytest.raises(OSError, match="No space"):
            files.replace(full / "file", bytes(1 << 20))
        assert [(f.name, f.read_bytes()) for f in full.iterdir() if f.is_file()] == [
            ("file", b"old")
        ]
