from collections.abc import Iterator
from pathlib import Path

import pytest

from casemate.crypto.digest import sha256
from casemate.errors import HostError, VerificationError
from casemate.podvm import sources
from casemate.podvm.sources import Source


def one(folder: Path) -> Iterator[Source]:
    (folder / "a.deb").write_bytes(b"package")
    yield Source(name="a", version="1", file="a.deb", sha256=sha256(b"package").hex)


def broken(folder: Path) -> Iterator[Source]:
    yield from one(folder)
    raise HostError("archive", got="gone", want="an archive")


def test_fetch_is_kept_and_found_again(tmp_path: Path) -> None:
    kept = sources.keep(tmp_path / "kept", one)
    found = sources.load(tmp_path / "kept")
    assert found == kept
    assert kept.read(kept.sources[0]) == b"package"


def test_broken_fetch_leaves_what_was_there(tmp_path: Path) -> None:
    sources.keep(tmp_path / "kept", one)
    with pytest.raises(HostError):
        sources.keep(tmp_path / "kept", broken)
    assert sources.load(tmp_path / "kept") is not None
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_file_changed_after_the_fetch_is_refused(tmp_path: Path) -> None:
    kept = sources.keep(tmp_path / "kept", one)
    (tmp_path / "kept/a.deb").write_bytes(b"other")
    with pytest.raises(VerificationError, match="a 1"):
        kept.read(kept.sources[0])


def test_nothing_fetched_is_none(tmp_path: Path) -> None:
    assert sources.load(tmp_path) is None


def test_malformed_lock_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / sources.LOCK).write_text("{}")
    with pytest.raises(HostError, match="Remove"):
        sources.load(tmp_path)
