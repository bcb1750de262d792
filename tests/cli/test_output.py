import os
import threading
from pathlib import Path

import pytest

from casemate.cli.output import print_json, write_file
from casemate.errors import InputError


def test_file_is_written_with_its_folders(tmp_path: Path) -> None:
    write_file(tmp_path / "a" / "b", "text")
    write_file(tmp_path / "a" / "b", b"again")
    assert (tmp_path / "a" / "b").read_bytes() == b"again"
    assert [*(tmp_path / "a").iterdir()] == [tmp_path / "a" / "b"]


def test_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    for place in (tmp_path / "file" / "below", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="a place to write"):
            write_file(place, b"new")
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_file(pipe, b"content")
    reader.join(timeout=10)
    assert heard == [b"content"]
    assert pipe.is_fifo()


def test_private_file_is_private_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for place in (tmp_path / "link", tmp_path / "other"):
        write_file(place, b"secret", mode=0o600)
    assert all((tmp_path / n).stat().st_mode & 0o777 == 0o600 for n in ("file", "other"))


@pytest.mark.parametrize("there", [True, False])
def test_link_stays_a_link(tmp_path: Path, *, there: bool) -> None:
    if there:
        (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_link_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="symbolic links"):
        write_file(tmp_path / "loop", b"new")


def test_longest_name_can_be_written(tmp_path: Path) -> None:
    write_file(tmp_path / ("x" * 255), b"new")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"new"


def test_no_name_is_told() -> None:
    with pytest.raises(InputError, match="directory"):
        write_file(Path(), b"new")


@pytest.mark.parametrize("value", ["a\udcff", ["a\udcff"], {"a\udcff": {"b": ("c\udcff", 1)}}])
def test_name_that_is_no_text_is_printed_all_the_same(
    value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json(value)
    assert "?" in capsys.readouterr().out
