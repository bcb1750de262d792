import os
from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.trustee.evidence_archive import EvidenceArchive


def _dated(file: Path, second: int) -> None:
    os.utime(file, (second, second))


def test_the_newest_are_kept_and_the_oldest_goes(tmp_path: Path) -> None:
    archive = EvidenceArchive(tmp_path / "evidence", most=2)
    for second, body in enumerate((b"one", b"two", b"three")):
        archive.keep(body)
        _dated(archive.newest_first()[0], second)
    assert {file.read_bytes() for file in archive.newest_first()} == {b"two", b"three"}


def test_nothing_is_kept_unless_asked_for(tmp_path: Path) -> None:
    EvidenceArchive(tmp_path / "evidence", most=0).keep(b"one")
    assert not (tmp_path / "evidence").exists()


def test_what_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("in the way")
    with pytest.raises(HostError, match="room for evidence"):
        EvidenceArchive(tmp_path / "evidence", most=1).keep(b"one")
