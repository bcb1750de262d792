from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.linux.daemon import Daemon
from casemate.stack.folder import Record, Service, StateFolder


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    service = Service(name="x", daemon=Daemon(1, 2), address="a", log=str(tmp_path / "log"))
    record = Record(trustee_port=1, registry_port=2, services=(service,))
    with folder.held("test"):
        folder.write(record)
    assert folder.read() == record


def test_ended_service_is_no_service_of_the_record(tmp_path: Path) -> None:
    gone = Service(name="x", daemon=Daemon(1, 2), address="a", log=str(tmp_path / "log"))
    assert Record(services=(gone,)).service("x") is None


def test_nothing_started_is_an_empty_record(tmp_path: Path) -> None:
    assert StateFolder(tmp_path / "none").read() == Record()


def test_damaged_record_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(HostError, match=r"stack\.json"):
        StateFolder(tmp_path).read()


def test_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    with folder.held("test"):
        assert folder.root.stat().st_mode & 0o077 == 0


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(NotADirectoryError, match="file"),
        StateFolder(tmp_path / "file" / "state").held("test"),
    ):
        pass
